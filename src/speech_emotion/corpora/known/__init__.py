"""The known corpora, one module each; each module defines a CORPUS (corpora/corpus.py)."""

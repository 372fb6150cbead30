"""The corpora that the project knows: one module each, which holds a CORPUS (corpora/corpus.py)."""

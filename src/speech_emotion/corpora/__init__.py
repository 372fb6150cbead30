"""Corpora: a reader for each, all with the same table of utterances; download, verification and splits."""

"""Corpora: one reader each, all yielding the one table of utterances; verification; splits by protocol."""

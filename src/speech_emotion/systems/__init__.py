"""Recognisers: one file an architecture, and the base classes of their families."""

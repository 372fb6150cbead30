"""Blocks that several architectures share: normalisation, convolutions, attention pooling."""

"""Scores predictions: metrics, significance tests between systems, the figures that the papers claim."""

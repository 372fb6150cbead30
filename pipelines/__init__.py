"""Kubeflow pipelines made of the components, and how they are compiled, run here, submitted and scheduled."""

"""The steps' Kubeflow faces, one folder a step: typed artifacts, documented parameters, and a thin body."""

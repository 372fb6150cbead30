"""The steps as Kubeflow components, one folder each: typed artifacts, documented parameters, and a short body."""

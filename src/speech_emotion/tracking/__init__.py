"""MLflow: what the graph has computed, mirrored into a tracking store. Nothing below this package knows of it."""

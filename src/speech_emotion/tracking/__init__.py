"""MLflow: mirrors the results of the graph into a tracking store. Lower packages do not depend on this one."""

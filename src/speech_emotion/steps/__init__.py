"""The steps of the graph, one module each; DVC, local pipeline runs and clusters call them through one driver."""

"""The steps of the graph, one file each; DVC, a local pipeline run and a cluster call them through one driver."""

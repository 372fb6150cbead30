"""The recognisers, one file each: its network or estimator, its hyper-parameters with ranges, its search space."""

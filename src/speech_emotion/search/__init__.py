"""The search for hyper-parameters with Optuna, on inner speakers of each outer fold."""

"""Search for hyper-parameters with Optuna: one study for each outer fold, on its inner speakers, by several workers."""

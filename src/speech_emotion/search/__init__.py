"""The search for hyper-parameters with Optuna: one study an outer fold, on its inner speakers, by several workers."""

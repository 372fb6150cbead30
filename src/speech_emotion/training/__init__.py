"""Training: windows, the loop, folds and seeds, finished units. It knows no MLflow: it is given a recorder."""

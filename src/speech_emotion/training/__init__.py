"""Training: experiments, fold runs with their keys, finished units. It knows no MLflow: it is given a recorder."""

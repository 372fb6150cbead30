"""Training: experiments, fold runs and their keys, finished fold runs. MLflow is not used here, only a recorder."""

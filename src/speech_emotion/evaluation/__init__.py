"""What predictions are worth: metrics, tests between systems, figures, report."""

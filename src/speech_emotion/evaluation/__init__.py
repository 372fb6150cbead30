"""What predictions are worth: metrics, tests between systems, claims of the papers."""

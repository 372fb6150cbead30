"""Documents and pictures of the results: templates, what renders them, figures."""

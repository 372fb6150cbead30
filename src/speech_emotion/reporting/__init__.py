"""Documents and pictures of the results: templates, their rendering, figures."""

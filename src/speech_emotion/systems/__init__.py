"""Speech emotion recognisers: one file for each architecture, and the base classes of their families."""

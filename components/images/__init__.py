"""The images that components run in: their names, how they are built and published, and which a cluster pulls."""

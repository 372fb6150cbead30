"""The images that components run in: building, publishing, and the digests that a cluster pulls."""

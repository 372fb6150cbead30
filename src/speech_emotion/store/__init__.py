"""Files on disk: written whole or not at all, hashed, and large arrays read through memory maps."""

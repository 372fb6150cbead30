"""Files on disk: written completely or not at all, hashed, and large arrays read through memory maps."""

"""Audio: read and check, resample, level, denoise, trim, augment."""

"""Speech emotion recognition: from raw speech to a proven, exported model."""

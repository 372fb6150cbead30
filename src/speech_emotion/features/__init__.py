"""Features: the front-end, which is also in the exported graph, prosody, chroma, formants, and their statistics."""

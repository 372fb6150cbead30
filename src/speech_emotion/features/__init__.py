"""Features: the front-end that also runs inside the exported graph, prosody, chroma, formants, and their statistics."""

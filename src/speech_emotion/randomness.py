"""Random draws keyed by what they are for, never by order, shard or worker."""

import hashlib

import numpy as np


def generator(seed: int, *key: str | int) -> np.random.Generator:
    """A generator for one purpose, e.g. `generator(seed, utterance_id, "pitch_shift")`."""
    text = "\x1f".join(str(part) for part in (seed, *key))
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))

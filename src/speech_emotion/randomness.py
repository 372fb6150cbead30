"""Random draws keyed by their purpose, so that they do not depend on order, shard or worker."""

import hashlib

import numpy as np


def generator(seed: int, *key: str | int) -> np.random.Generator:
    """A random generator for one purpose, e.g. `generator(seed, utterance_id, "pitch_shift")`.

    Args:
        seed: the user's seed.
        key: what the draws are for; the same seed and key give the same draws.
    """
    text = "\x1f".join(str(part) for part in (seed, *key))
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))

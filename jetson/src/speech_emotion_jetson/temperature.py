"""Temperature scaling of probabilities (Guo et al. 2017, "On calibration of modern neural networks", section 4.2)."""

from __future__ import annotations

import numpy as np

FLOOR = 1e-6  # of a probability before its logarithm: saved predictions keep six digits


def tempered(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities (..., classes) at a temperature above 0: above 1 flatter, below 1 sharper, 1 changes nothing."""
    if temperature == 1.0:
        return probabilities
    logits = np.log(np.maximum(probabilities, FLOOR)) / temperature
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)

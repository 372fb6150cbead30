"""Frames of a waveform: frame t is samples [t * hop, t * hop + frame), never centred, never padded."""

import numpy as np


def framed(samples: np.ndarray, frame: int, hop: int) -> np.ndarray:
    """The whole frames of samples (n,), n at least `frame`, as a view (frames, frame) that is not to be written to."""
    return np.lib.stride_tricks.sliding_window_view(samples, frame)[::hop]

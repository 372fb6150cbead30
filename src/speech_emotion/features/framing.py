"""Frames of a waveform: frame t is samples [t * hop, t * hop + frame), neither centred nor padded."""

import numpy as np


def framed(samples: np.ndarray, frame: int, hop: int) -> np.ndarray:
    """The whole frames of samples (n,), n at least `frame`: a read-only view (frames, frame) of overlapping rows."""
    (step,) = samples.strides
    shape = (
        1 + (len(samples) - frame) // hop,
        frame,
    )  # as_strided does not check the bounds; sliding_window_view is slower
    return np.lib.stride_tricks.as_strided(samples, shape, (hop * step, step), writeable=False)

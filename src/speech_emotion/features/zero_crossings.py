"""Zero-crossing rate: how often the sign of the samples changes."""

import numpy as np

SILENT = 1e-10  # samples up to this magnitude count as 0, which counts as positive, as in librosa


def zero_crossing_rate(samples: np.ndarray, frame: int, hop: int) -> np.ndarray:
    """The share of a frame's samples whose sign differs from that of the previous sample in the frame.

    Args:
        samples: (n,), n at least `frame`.
        frame: samples.
        hop: samples.

    Returns:
        (frames, 1), 0..1.
    """
    negative = samples < -SILENT
    crossings = np.append(0, np.cumsum(negative[1:] != negative[:-1]))  # before and at each sample
    first = np.arange(0, len(samples) - frame + 1, hop)
    return (crossings[first + frame - 1] - crossings[first])[:, np.newaxis] / frame

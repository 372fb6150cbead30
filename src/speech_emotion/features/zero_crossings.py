"""How often the sign of the samples changes."""

import numpy as np

from speech_emotion.compiled import librosa


def zero_crossing_rate(samples: np.ndarray, frame: int, hop: int) -> np.ndarray:
    """Share of a frame's samples that differ in sign from the one before, 0..1: (frames, 1) of samples (n,)."""
    return librosa().feature.zero_crossing_rate(samples, frame_length=frame, hop_length=hop, center=False).T

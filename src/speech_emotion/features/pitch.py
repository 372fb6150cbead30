"""Fundamental frequency and voicing by pYIN."""

import numpy as np

from speech_emotion.compiled import librosa


def pitch(
    samples: np.ndarray, rate: int, frame: int, hop: int, fmin: float, fmax: float
) -> tuple[np.ndarray, np.ndarray]:
    """F0 and voicing of each frame by probabilistic YIN (Mauch & Dixon, ICASSP 2014) in librosa's form and resolution.

    Args:
        samples: (n,), n at least `frame`.
        rate: Hz.
        frame: samples; two periods of `fmin` or more.
        hop: samples.
        fmin: Hz.
        fmax: Hz.

    Returns:
        F0 in Hz, 0 where unvoiced, (frames,); probability that the frame is voiced, 0..1, (frames,).
    """
    f0, _, voicing = librosa().pyin(
        samples, fmin=fmin, fmax=fmax, sr=rate, frame_length=frame, hop_length=hop, center=False, fill_na=0.0
    )
    return f0, np.clip(voicing, 0.0, 1.0)

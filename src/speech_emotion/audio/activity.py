"""Energy-based voice activity detection, and the removal of silence."""

import numpy as np

FRAME_SECONDS = 0.01  # of frames, which do not overlap


def speech_mask(samples: np.ndarray, rate: int, threshold_db: float, hang_ms: float) -> np.ndarray:
    """Marks the samples that are speech: their frame is at most `threshold_db` below the loudest, or near such a frame.

    Args:
        samples: (n,), n at least 1.
        rate: Hz.
        threshold_db: above 0.
        hang_ms: time kept before and after each stretch of speech, rounded to whole frames.

    Returns:
        (n,) bool, at least one true. In digital silence all samples count as speech.
    """
    frame = max(1, round(FRAME_SECONDS * rate))
    starts = np.arange(0, len(samples), frame)
    lengths = np.diff(np.append(starts, len(samples)))
    power = np.add.reduceat(np.square(samples, dtype=np.float64), starts) / lengths
    loud = power >= power.max() * 10 ** (-threshold_db / 10)
    hang = round(hang_ms / 1000 / FRAME_SECONDS)
    speech = np.convolve(loud, np.ones(2 * hang + 1))[hang : hang + len(loud)] > 0.5
    return np.repeat(speech, lengths)


def remove_silence(samples: np.ndarray, rate: int, threshold_db: float, hang_ms: float) -> np.ndarray:
    """The samples (m,), 1 <= m <= n, that `speech_mask` marks as speech; arguments as there."""
    return samples[speech_mask(samples, rate, threshold_db, hang_ms)]

"""Level of a waveform: its peak or its root mean square brought to a value in dBFS."""

import numpy as np


def rms_dbfs(samples: np.ndarray) -> float:
    """20 log10 of the root mean square of samples (n,) of full scale 1; -inf for silence."""
    return decibels(float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))))


def peak_dbfs(samples: np.ndarray) -> float:
    """20 log10 of the largest magnitude of samples (n,) of full scale 1; -inf for silence."""
    return decibels(float(np.max(np.abs(samples))))


def set_level(samples: np.ndarray, level: str, dbfs: float) -> np.ndarray:
    """Scales a waveform to a level. Nothing is clipped: samples may leave -1..1, which float arithmetic keeps.

    Args:
        samples: (n,), full scale 1.
        level: "none" returns the samples as they are; "peak" and "rms" name what is brought to `dbfs`.
        dbfs: decibels below full scale, negative.

    Returns:
        (n,) of the samples' dtype; digital silence stays as it is.
    """
    if level == "none":
        return samples
    present = {"peak": peak_dbfs, "rms": rms_dbfs}[level](samples)
    if not np.isfinite(present):
        return samples
    return samples * samples.dtype.type(10 ** ((dbfs - present) / 20))


def decibels(amplitude: float) -> float:
    """20 log10 of an amplitude; -inf for 0."""
    return 20 * float(np.log10(amplitude)) if amplitude > 0 else -np.inf

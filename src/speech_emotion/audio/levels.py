"""The level of a waveform in dBFS: its peak or its root mean square."""

import numpy as np


def rms_dbfs(samples: np.ndarray) -> float:
    """20 log10 of the root mean square of samples (n,) of full scale 1; -inf for silence."""
    return decibels(float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))))


def peak_dbfs(samples: np.ndarray) -> float:
    """20 log10 of the largest magnitude of samples (n,) of full scale 1; -inf for silence."""
    return decibels(float(np.max(np.abs(samples))))


def set_level(samples: np.ndarray, level: str, dbfs: float) -> np.ndarray:
    """Scales a waveform to a level. Nothing is clipped: samples may exceed -1..1.

    Args:
        samples: (n,), full scale 1.
        level: "peak" or "rms", which is set to `dbfs`; "none" returns the samples unchanged.
        dbfs: decibels relative to full scale, negative.

    Returns:
        (n,) of the samples' dtype; digital silence is returned unchanged.
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

"""Functionals: statistics of whole contours, for all dimensions of a feature at once."""

from functools import lru_cache

import numpy as np

PERCENTILES = (1, 20, 50, 80, 99)
COURSE = 5  # half cosines over the utterance
LEAST = 1e-9  # a contour with a smaller standard deviation is flat: its skewness and kurtosis are 0


def functionals(values: np.ndarray, hop_seconds: float) -> dict[str, np.ndarray]:
    """Functionals of each column, similar to ComParE (Schuller et al., Interspeech 2013).

    They are: mean, std; percentiles p1 .. p99, range p99 - p1; skewness, excess kurtosis; the slope of the regression
    line per second and the deviation from that line; the course over the utterance, independent of its length: the
    amplitudes of the half cosines 1 .. COURSE (orthonormal DCT-II divided by the square root of the number of frames);
    and for the differences between neighbours, per second: mean magnitude, std, percentiles, range, skewness, kurtosis.

    Args:
        values: (frames, dims), frames at least 0.
        hop_seconds: between frames.

    Returns:
        name -> (dims,) float64, always finite; 0 if there are too few frames.
    """
    frames, dims = values.shape
    contours = np.array(values.T if frames else np.zeros((dims, 1)), dtype=np.float64, order="C")
    length = contours.shape[1]
    found, offset = _distribution(contours)
    time = (np.arange(length) - (length - 1) / 2) * hop_seconds
    spread = np.sum(time**2)
    slope = contours @ time / spread if spread > 0 else np.zeros(dims)
    beside = offset - slope[:, np.newaxis] * time
    found["slope"] = slope
    found["off-slope"] = np.sqrt(np.vecdot(beside, beside) / length)
    course = contours @ _half_cosines(length)
    found |= {f"course{n}": course[:, n - 1] for n in range(1, COURSE + 1)}
    steps = np.diff(contours) / hop_seconds if length > 1 else np.zeros((dims, 1))
    found["step.magnitude"] = np.abs(steps).mean(axis=1)
    found |= {f"step.{name}": value for name, value in _distribution(steps)[0].items() if name != "mean"}
    return found


def _distribution(contours: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The functionals of the distribution of contours (dims, frames), and the contours minus their means."""
    frames = contours.shape[1]
    mean = contours.mean(axis=1)
    offset = contours - mean[:, np.newaxis]
    square = offset**2
    deviation = np.sqrt(square.mean(axis=1))
    shaped = deviation > LEAST
    scale = np.where(shaped, deviation, 1.0)
    levels = _percentiles(contours)
    return {
        "mean": mean,
        "std": deviation,
        **{f"p{level}": row for level, row in zip(PERCENTILES, levels, strict=True)},
        "range": levels[-1] - levels[0],
        "skewness": np.where(shaped, np.vecdot(square, offset) / frames / scale**3, 0.0),
        "kurtosis": np.where(shaped, np.vecdot(square, square) / frames / scale**4 - 3.0, 0.0),
    }, offset


def _percentiles(contours: np.ndarray) -> np.ndarray:
    """(levels, dims), as numpy.percentile but faster, since the values are sorted only once."""
    ordered = np.sort(contours, axis=1)
    place = np.array(PERCENTILES) / 100 * (contours.shape[1] - 1)
    below = place.astype(int)
    above = np.minimum(below + 1, contours.shape[1] - 1)
    low = ordered[:, below]
    return (low + (ordered[:, above] - low) * (place - below)).T


@lru_cache(maxsize=32)
def _half_cosines(frames: int) -> np.ndarray:
    """(frames, COURSE): the basis of coefficients 1 .. COURSE of the orthonormal DCT-II, divided by sqrt(frames).

    Contours of few frames are padded with zeros.
    """
    size = max(frames, COURSE + 1)
    angles = np.pi / size * np.outer(np.arange(frames) + 0.5, np.arange(1, COURSE + 1))
    return np.cos(angles) * np.sqrt(2 / (size * frames))

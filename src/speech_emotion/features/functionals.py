"""What a contour is like as a whole: functionals, over all the dimensions of a feature at once."""

import numpy as np
import scipy.fft

PERCENTILES = (1, 20, 50, 80, 99)
COURSE = 5  # half cosines over the utterance
LEAST = 1e-9  # standard deviations below count as none: the contour is flat, and has no shape


def functionals(values: np.ndarray, hop_seconds: float) -> dict[str, np.ndarray]:
    """Functionals of each column, in the manner of ComParE (Schuller et al., Interspeech 2013).

    mean, std; percentiles p1 .. p99, range p99 - p1; skewness, excess kurtosis; slope of the regression line a second
    and the deviation from that line; the course over the utterance, whatever its length: amplitudes of the half cosines
    1 .. COURSE (orthonormal DCT-II over the square root of the frames); and of the differences between neighbours, a
    second: mean magnitude, std, percentiles, range, skewness, kurtosis.

    Args:
        values: (frames, dims), frames at least 0.
        hop_seconds: between frames.

    Returns:
        name -> (dims,) float64, always finite; 0 where there are too few frames.
    """
    frames, dims = values.shape
    values = np.asarray(values, dtype=np.float64) if frames else np.zeros((1, dims))
    found = _distribution(values)
    time = (np.arange(len(values)) - (len(values) - 1) / 2) * hop_seconds
    spread = np.sum(time**2)
    slope = time @ values / spread if spread > 0 else np.zeros(dims)
    found["slope"] = slope
    found["off-slope"] = (values - found["mean"] - time[:, np.newaxis] * slope).std(axis=0)
    course = scipy.fft.dct(values, n=max(len(values), COURSE + 1), axis=0, norm="ortho") / np.sqrt(len(values))
    found |= {f"course{n}": course[n] for n in range(1, COURSE + 1)}
    steps = np.diff(values, axis=0) / hop_seconds if len(values) > 1 else np.zeros((1, dims))
    found["step.magnitude"] = np.abs(steps).mean(axis=0)
    found |= {f"step.{name}": value for name, value in _distribution(steps).items() if name != "mean"}
    return found


def _distribution(values: np.ndarray) -> dict[str, np.ndarray]:
    frames = len(values)
    mean = values.mean(axis=0)
    offset = values - mean
    square = offset**2
    deviation = np.sqrt(square.mean(axis=0))
    shaped = deviation > LEAST
    scale = np.where(shaped, deviation, 1.0)
    third = np.einsum("td,td->d", square, offset) / frames
    fourth = np.einsum("td,td->d", square, square) / frames
    levels = np.percentile(values, PERCENTILES, axis=0)
    return {
        "mean": mean,
        "std": deviation,
        **{f"p{level}": row for level, row in zip(PERCENTILES, levels, strict=True)},
        "range": levels[-1] - levels[0],
        "skewness": np.where(shaped, third / scale**3, 0.0),
        "kurtosis": np.where(shaped, fourth / scale**4 - 3.0, 0.0),
    }

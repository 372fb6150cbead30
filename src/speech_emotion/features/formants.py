"""Formant frequencies from the roots of linear prediction."""

import numpy as np
import scipy.signal

from speech_emotion.compiled import librosa
from speech_emotion.features.framing import framed

PREEMPHASIS = 0.97
LOWEST_HZ = 90.0  # roots below are the spectral tilt, not a formant
WIDEST_HZ = 600.0  # and so are roots of a larger bandwidth; a lower limit loses F1 and F2 of high and breathy voices
SILENT = 1e-10  # mean square of a frame below which nothing is looked for


def formants(samples: np.ndarray, rate: int, frame: int, hop: int, count: int) -> np.ndarray:
    """The lowest resonances of each frame: angles of the roots of A(z), Burg's method, order 2 + rate / 1000.

    Markel & Gray, "Linear Prediction of Speech", 1976, chapter 7: frequency = angle rate / 2 pi, bandwidth =
    -ln|root| rate / pi.

    Args:
        samples: (n,), n at least `frame`.
        rate: Hz.
        frame: samples.
        hop: samples.
        count: how many, at least 1.

    Returns:
        (frames, count) Hz, ascending; 0 where a frame has fewer.
    """
    frames = framed(samples, frame, hop)
    found = np.zeros((len(frames), count))
    heard = np.flatnonzero(np.mean(np.square(frames), axis=1) > SILENT)
    if not len(heard):
        return found
    frames = scipy.signal.lfilter([1.0, -PREEMPHASIS], [1.0], frames[heard], axis=1) * np.hamming(frame)
    predictors = librosa().lpc(frames, order=2 + rate // 1000, axis=1)  # (heard, order + 1), the first column 1
    order = predictors.shape[1] - 1
    companions = np.zeros((len(heard), order, order))
    companions[:, np.arange(1, order), np.arange(order - 1)] = 1.0
    companions[:, 0, :] = -predictors[:, 1:]
    roots = np.linalg.eigvals(companions)
    frequency = np.angle(roots) * rate / (2 * np.pi)
    with np.errstate(divide="ignore"):
        bandwidth = -np.log(np.abs(roots)) * rate / np.pi
    formant = (frequency > LOWEST_HZ) & (bandwidth < WIDEST_HZ) & (bandwidth > 0)
    lowest = np.sort(np.where(formant, frequency, np.inf), axis=1)[:, :count]
    found[heard, : lowest.shape[1]] = np.where(np.isfinite(lowest), lowest, 0.0)
    return found

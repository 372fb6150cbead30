"""Formant frequencies from the roots of linear prediction."""

import numpy as np
import torch

from speech_emotion.features.framing import framed

PREEMPHASIS = 0.97
LOWEST_HZ = 90.0  # roots below it belong to the spectral tilt, not to a formant
WIDEST_HZ = 600.0  # so do roots of larger bandwidth; a lower limit loses F1 and F2 of high and breathy voices
BLOCK = 64  # frames that are predicted together, so that they stay in the processor's cache
SILENT = 1e-10  # mean square of a frame below which it has no formants


def formants(samples: np.ndarray, rate: int, frame: int, hop: int, count: int) -> np.ndarray:
    """The lowest resonances of each frame, from the roots of A(z) (Burg's method, order 2 + rate / 1000).

    Markel & Gray, "Linear Prediction of Speech", 1976, chapter 7: frequency = angle rate / 2 pi, bandwidth =
    -ln|root| rate / pi.

    Args:
        samples: (n,), n at least `frame`.
        rate: Hz.
        frame: samples.
        hop: samples.
        count: number of formants, at least 1.

    Returns:
        (frames, count) Hz, ascending; 0 for missing ones.
    """
    frames = framed(samples, frame, hop)
    found = np.zeros((len(frames), count))
    audible = np.flatnonzero(np.mean(np.square(frames), axis=1) > SILENT)
    if not len(audible):
        return found
    order, window = 2 + rate // 1000, np.hamming(frame)
    companions = np.zeros((len(audible), order, order))
    companions[:, np.arange(1, order), np.arange(order - 1)] = 1.0
    for start in range(0, len(audible), BLOCK):
        block = frames[audible[start : start + BLOCK]]
        block[:, 1:] -= PREEMPHASIS * block[:, :-1]
        block *= window
        companions[start : start + BLOCK, 0] = -_burg(block, order)
    roots = torch.linalg.eigvals(torch.from_numpy(companions)).numpy()  # a quarter faster than numpy's
    frequency = np.angle(roots) * rate / (2 * np.pi)
    with np.errstate(divide="ignore"):
        bandwidth = -np.log(np.abs(roots)) * rate / np.pi
    formant = (frequency > LOWEST_HZ) & (bandwidth < WIDEST_HZ) & (bandwidth > 0)
    lowest = np.sort(np.where(formant, frequency, np.inf), axis=1)[:, :count]
    found[audible, : lowest.shape[1]] = np.where(np.isfinite(lowest), lowest, 0.0)
    return found


def _burg(frames: np.ndarray, order: int) -> np.ndarray:
    """Coefficients 1 .. order of the predictors A(z) of frames (frames, samples): (frames, order).

    Burg's method from the frames' autocorrelations: Vos, "A Fast Implementation of Burg's Method", 2013, algorithm 1,
    in the paper's notation.
    """
    size = frames.shape[1]
    c = [np.vecdot(frames[:, lag:], frames[:, : size - lag]) for lag in range(order + 1)]
    head, tail = frames[:, : order + 1], frames[:, ::-1][:, : order + 1]
    a, g, r = (np.zeros((len(frames), order + 1)) for _ in range(3))
    a[:, 0] = 1.0
    g[:, 0] = 2 * c[0] - head[:, 0] ** 2 - tail[:, 0] ** 2
    g[:, 1] = r[:, 0] = 2 * c[1]
    for n in range(1, order + 1):
        power = np.vecdot(a[:, :n], g[:, :n])
        k = -(np.vecdot(a[:, :n], g[:, n:0:-1]) / np.where(power > 0, power, np.inf))[:, np.newaxis]
        a[:, 1 : n + 1] += k * a[:, n - 1 :: -1]
        if n == order:
            break
        r[:, 1 : n + 1] = r[:, :n] - head[:, :n] * head[:, n : n + 1] - tail[:, :n] * tail[:, n : n + 1]
        r[:, 0] = 2 * c[n + 1]
        g[:, : n + 1] += k * g[:, n::-1]
        for end in (head[:, n::-1], tail[:, n::-1]):
            g[:, : n + 1] -= end * np.vecdot(end, a[:, : n + 1])[:, np.newaxis]
        g[:, n + 1] = np.vecdot(r[:, : n + 1], a[:, : n + 1])
    return a[:, 1:]

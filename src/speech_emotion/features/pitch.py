"""Fundamental frequency and voicing by pYIN, for all frames of an utterance at once."""

from functools import lru_cache

import numpy as np
import scipy.fft
import scipy.stats

from speech_emotion.features.framing import framed

TINY = np.finfo(np.float64).tiny
BINS_PER_OCTAVE = 120  # a grid of 10 cents
THRESHOLDS = np.linspace(0.01, 1.0, 100)  # of the difference function; a trough below one is a candidate
THRESHOLD_PRIOR = np.diff(scipy.stats.beta.cdf(np.append(0.0, THRESHOLDS), 2, 18))
TROUGH_DECAY = 2.0  # of the Boltzmann prior, which prefers shorter periods
NO_TROUGH = 0.01  # share of a threshold's probability that the deepest trough gets if no trough is below the threshold
OCTAVES_A_SECOND = 35.92  # the fastest change of pitch
SWITCH = 0.01  # probability of a change between voiced and unvoiced between two frames
BLOCK = 64  # frames whose difference functions are computed together


def pitch(
    samples: np.ndarray, rate: int, frame: int, hop: int, fmin: float, fmax: float
) -> tuple[np.ndarray, np.ndarray]:
    """F0 and voicing of each frame by probabilistic YIN (Mauch & Dixon, ICASSP 2014).

    Definitions, constants and steps are those of librosa.pyin. It is faster because only the search for the best path
    goes frame by frame, and because a state is reached only from its neighbours.

    Args:
        samples: (n,), n at least `frame`.
        rate: Hz.
        frame: samples; two periods of `fmin` or more.
        hop: samples.
        fmin: Hz.
        fmax: Hz.

    Returns:
        F0 in Hz (frames,), 0 where unvoiced; probability that the frame is voiced (frames,), 0..1.
    """
    shortest, longest = int(rate / fmax), min(int(np.ceil(rate / fmin)), frame - 1)
    frames = framed(samples, frame, hop)
    bins = int(BINS_PER_OCTAVE * np.log2(fmax / fmin)) + 1
    observed = np.zeros((len(frames), bins))
    for first in range(0, len(frames), BLOCK):
        difference = _normalised_difference(frames[first : first + BLOCK], shortest, longest)
        _observe(difference, shortest, rate / fmin, observed[first : first + BLOCK])
    voicing = np.minimum(observed.sum(axis=1), 1.0)
    reach = round(OCTAVES_A_SECOND * 12 * hop / rate) * BINS_PER_OCTAVE // 24
    path = _best_path(observed, (1 - voicing) / bins, reach)
    return np.where(path < bins, fmin * 2 ** (path % bins / BINS_PER_OCTAVE), 0.0), voicing


def _normalised_difference(frames: np.ndarray, shortest: int, longest: int) -> np.ndarray:
    """(frames, longest - shortest + 1): YIN's cumulative mean normalised difference at each lag, eq. 8.

    de Cheveigné & Kawahara, JASA 111, 2002. As in librosa, the energy of the undelayed samples in eq. 7 is that of the
    whole frame, and the delayed samples lose no energy at lag 1.
    """
    size = scipy.fft.next_fast_len(frames.shape[1] + longest, real=True)
    spectrum = scipy.fft.rfft(frames, n=size, axis=1)
    own = scipy.fft.irfft(spectrum.real**2 + spectrum.imag**2, n=size, axis=1)[:, : longest + 1]
    energy = np.cumsum(frames[:, :longest] ** 2, axis=1)
    energy[:, 0] = 0.0
    difference = 2 * (own[:, :1] - own[:, 1:]) - energy  # at the lags 1 .. longest
    mean = np.cumsum(difference, axis=1) / np.arange(1, longest + 1)
    return difference[:, shortest - 1 :] / (mean[:, shortest - 1 :] + TINY)


def _observe(difference: np.ndarray, shortest: int, longest_period: float, observed: np.ndarray) -> None:
    """Writes the probabilities of each frame's candidates to the bins of their pitches.

    Args:
        difference: (frames, lags), starting at the lag `shortest`.
        shortest: lag, in samples.
        longest_period: the period of bin 0, in samples.
        observed: (frames, bins), receives the probabilities.
    """
    padded = np.pad(difference, ((0, 0), (1, 1)), constant_values=np.inf)
    trough = (difference < padded[:, :-2]) & (difference <= padded[:, 2:])
    trough[:, 0] &= difference[:, 0] < difference[:, 1]  # silence, where all values are 0, has no trough
    trough[:, -1] &= difference[:, -1] < difference[:, -2]
    depth = np.where(trough, difference, np.inf)
    deepest = depth.argmin(axis=1)
    candidate = depth < THRESHOLDS[-1]
    found = np.isfinite(depth[np.arange(len(depth)), deepest])
    candidate[found, deepest[found]] = True
    of, lag = np.nonzero(candidate)  # ordered by frame, then by lag
    if not len(of):
        return
    height = depth[of, lag]
    below = height[:, np.newaxis] < THRESHOLDS  # (candidates, thresholds)
    rank = np.cumsum(below, axis=0)
    starts = np.flatnonzero(np.diff(of, prepend=-1))
    group = np.cumsum(np.diff(of, prepend=of[0]) > 0)  # index among the frames that have candidates
    before = rank[starts] - below[starts]
    count = np.diff(before, axis=0, append=rank[-1:])  # troughs of a frame below each threshold
    decay = np.exp(-TROUGH_DECAY * np.arange(rank.shape[0] + 1))
    weight = THRESHOLD_PRIOR * (1 - decay[1]) / np.where(count > 0, 1 - decay[count], 1.0)
    probability = np.sum(below * decay[rank - before[group] - below] * weight[group], axis=1)
    at_deepest = lag == deepest[of]
    probability[at_deepest] += NO_TROUGH * (~below[at_deepest] @ THRESHOLD_PRIOR)
    left, middle, right = padded[of, lag], height, padded[of, lag + 2]
    curve, tilt = left + right - 2 * middle, (right - left) / 2
    inner = (lag > 0) & (lag < difference.shape[1] - 1)
    with np.errstate(invalid="ignore"):
        shift = np.where(inner & (np.abs(tilt) < np.abs(curve)), -tilt / curve, 0.0)
    place = np.round(BINS_PER_OCTAVE * np.log2(longest_period / (shortest + lag + shift)))
    kept = place < observed.shape[1]
    observed[of[kept], np.maximum(place[kept], 0).astype(int)] = probability[kept]


def _best_path(voiced: np.ndarray, unvoiced: np.ndarray, reach: int) -> np.ndarray:
    """The Viterbi path over pitches, each voiced or unvoiced, that move by at most `reach` bins per frame.

    Args:
        voiced: (frames, bins), probability of each pitch.
        unvoiced: (frames,), probability of each of the unvoiced states.
        reach: bins.

    Returns:
        (frames,) bins; `bins` is added if the frame is unvoiced.
    """
    frames, bins = voiced.shape
    moves, near = _moves(bins, reach)
    stay, switch = np.log(1 - SWITCH), np.log(SWITCH)
    likelihood = np.empty((frames, 2, bins))
    likelihood[:, 0] = np.log(voiced + TINY)
    likelihood[:, 1] = np.log(unvoiced + TINY)[:, np.newaxis]
    value = likelihood  # is replaced by the log probability of the best path up to each frame, from the second on
    padded = np.full((2, bins + 2 * reach), -np.inf)
    shifted = np.lib.stride_tricks.sliding_window_view(padded, bins, axis=1).transpose(1, 0, 2)  # (moves, 2, bins)
    sums = np.empty_like(shifted)
    local = np.empty((2, bins))
    for t in range(1, frames):
        padded[:, reach : reach + bins] = value[t - 1]
        np.add(shifted, near, out=sums)
        np.max(sums, axis=0, out=local)
        arrived = np.maximum(local + stay, local[::-1] + switch)
        value[t] += np.maximum(arrived, value[t - 1].max() + np.log(TINY))
    path = np.empty(frames, dtype=int)
    path[-1] = value[-1].argmax()
    across = np.array([[stay, switch], [switch, stay]])
    for t in range(frames - 1, 0, -1):
        kind, place = divmod(path[t], bins)
        log_transition = np.maximum(moves[place] + across[kind][:, np.newaxis], np.log(TINY))
        path[t - 1] = (value[t - 1] + log_transition).argmax()
    return path


@lru_cache(maxsize=8)
def _moves(bins: int, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Log probabilities of the moves from pitch to pitch, which have a triangular distribution.

    Returns:
        (bins to, bins from), -inf beyond the reach; the same as (move, 1, bins to), starting with the lowest bin.
    """
    distance = np.abs(np.subtract.outer(np.arange(bins), np.arange(bins)))
    triangle = np.maximum(reach + 1.0 - distance, 0.0)
    with np.errstate(divide="ignore"):
        moves = np.log(triangle / triangle.sum(axis=0))
    near = np.full((2 * reach + 1, 1, bins), -np.inf)
    for n, move in enumerate(range(-reach, reach + 1)):
        to = np.arange(max(0, -move), min(bins, bins - move))
        near[n, 0, to] = moves[to, to + move]
    return moves, near

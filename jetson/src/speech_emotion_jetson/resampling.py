"""Band-limited resampling of a stream: a polyphase windowed sinc in numpy.

The pass band ends at 0.913 of the lower Nyquist frequency and the stop band begins at that frequency, 120 dB down, as
in soxr's high quality, which resampled the training speech. Kaiser window; linear phase.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, gcd

import numpy as np

PASS_BAND = 0.913  # of the lower of the two Nyquist frequencies
STOP_DB = 120.0
LEAST_OUTPUTS = 64  # of one product of a segment of samples with a matrix of filters
MOST_WEIGHTS = 1 << 21  # of that matrix; beyond it filters are interpolated between PHASES
PHASES = 1024
SEGMENTS = 256  # gathered at a time, which bounds memory


class Resampler:
    """Resamples a stream block by block; the result's length is right to half a sample.

    Args:
        rate: Hz of the blocks.
        target: Hz of the result.
    """

    def __init__(self, rate: int, target: int):
        common = gcd(rate, target)
        self._up, self._down = target // common, rate // common
        self._same = rate == target
        self._half = _half(rate, target)
        self._matrix = _matrix(rate, target)
        # Outputs come in groups with the same offsets from the samples, so that one matrix computes every group.
        self._group = PHASES if self._matrix is None else len(self._matrix)
        self._filters = _filters(rate, target, PHASES) if self._matrix is None else None
        self._kept = np.zeros(self._half - 1, np.float32)  # half a filter of silence before the waveform
        self._first = 1 - self._half  # index of the first kept sample
        self._come = 0  # samples received
        self._done = 0  # samples returned

    def push(self, block: np.ndarray) -> np.ndarray:
        """Takes the next samples (n,) float32; returns the resampled ones so far, (m,) float32."""
        if self._same:
            return block
        self._come += len(block)
        self._kept = np.concatenate([self._kept, block])
        # Output k is at k * down / up and needs `half` samples on both sides.
        ready = ((self._come - self._half - 1) * self._up) // self._down + 1
        return self._give((ready - self._done) // self._group)

    def finish(self) -> np.ndarray:
        """Ends the stream; returns the remaining samples, (m,) float32."""
        if self._same:
            return np.zeros(0, np.float32)
        left = (2 * self._come * self._up + self._down) // (2 * self._down) - self._done  # of the rounded length
        groups = -(-left // self._group)
        needed = (self._done + groups * self._group) * self._down // self._up + self._half + 1
        self._kept = np.concatenate([self._kept, np.zeros(max(0, needed - self._come), np.float32)])
        return self._give(groups)[: max(0, left)]

    def _give(self, groups: int) -> np.ndarray:
        """The next groups of outputs, for which enough samples are kept."""
        if groups <= 0:
            return np.zeros(0, np.float32)
        count = groups * self._group
        given = self._between(count) if self._matrix is None else self._products(groups)
        self._done += count
        needed = self._done * self._down // self._up - self._half + 1
        self._kept, self._first = self._kept[needed - self._first :], needed
        return given

    def _products(self, groups: int) -> np.ndarray:
        outputs, width = self._matrix.shape
        step = outputs * self._down // self._up
        segments = np.lib.stride_tricks.sliding_window_view(self._kept, width)[::step][:groups]
        starts = range(0, groups, SEGMENTS)
        parts = [np.ascontiguousarray(segments[at : at + SEGMENTS]) @ self._matrix.T for at in starts]
        return np.concatenate(parts).ravel()

    def _between(self, count: int) -> np.ndarray:
        places = np.arange(self._done, self._done + count, dtype=np.int64) * self._down
        starts = places // self._up - self._half + 1 - self._first  # of each output's samples, within the kept ones
        windows = np.lib.stride_tricks.sliding_window_view(self._kept, 2 * self._half)
        given = np.empty(count, np.float32)
        for at in range(0, count, SEGMENTS):
            part = slice(at, at + SEGMENTS)
            exact = places[part] % self._up / self._up * PHASES
            low = exact.astype(np.int64)
            share = (exact - low).astype(np.float32)[:, np.newaxis]
            filters = self._filters[low] * (1 - share) + self._filters[low + 1] * share
            given[part] = np.einsum("ij,ij->i", windows[starts[part]], filters)
        return given


def resample(samples: np.ndarray, rate: int, target: int) -> np.ndarray:
    """Resamples a whole waveform (n,) float32 from `rate` to `target` Hz: (m,) float32."""
    stream = Resampler(rate, target)
    return np.concatenate([stream.push(samples), stream.finish()])


def _half(rate: int, target: int) -> int:
    """Half the length of a filter: source samples on each side of an output."""
    transition = (1 - PASS_BAND) * np.pi * min(rate, target) / rate  # radians a sample of the source
    return ceil(((STOP_DB - 7.95) / (2.285 * transition)) / 2) + 1


def _filters(rate: int, target: int, phases: int) -> np.ndarray:
    """Filters (phases + 1, taps) float32 for outputs 0 to 1 sample after a sample of the source."""
    half = _half(rate, target)
    cutoff = (1 + PASS_BAND) / 2 * min(rate, target) / rate  # of the source's Nyquist frequency
    beta = 0.1102 * (STOP_DB - 8.7)
    offsets = np.arange(phases + 1)[:, np.newaxis] / phases + half - 1 - np.arange(2 * half)  # from tap to output
    window = np.i0(beta * np.sqrt(np.maximum(0, 1 - (offsets / half) ** 2))) / np.i0(beta)
    taps = cutoff * np.sinc(cutoff * offsets) * window
    return (taps / taps.sum(axis=1, keepdims=True)).astype(np.float32)


@lru_cache(maxsize=4)
def _matrix(rate: int, target: int) -> np.ndarray | None:
    """Matrix (outputs, samples) from a segment of samples to a group of outputs; None if it would be too large."""
    common, half = gcd(rate, target), _half(rate, target)
    up, down = target // common, rate // common
    outputs = up * ceil(LEAST_OUTPUTS / up)
    places = np.arange(outputs) * down
    width = int(places[-1] // up) + 2 * half
    if outputs * width > MOST_WEIGHTS:
        return None
    filters = _filters(rate, target, up)
    matrix = np.zeros((outputs, width), np.float32)
    for row, place in enumerate(places):
        matrix[row, place // up : place // up + 2 * half] = filters[place % up]
    return matrix

"""A waveform of any length as it comes: mono blocks -> resampled, levelled blocks -> windows.

What comes out is what training saw of the whole waveform (audio/preparation.py, export/windows.py); memory holds a
block and a window.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import soxr

from speech_emotion.audio.levels import decibels

Blocks = Callable[[], Iterable[np.ndarray]]  # can be drawn more than once: the level is known at the end only


def prepared(blocks: Blocks, rate: int, target: int, level: str, level_dbfs: float) -> Iterator[np.ndarray]:
    """The blocks at the target rate and level.

    Args:
        blocks: gives the waveform from its start, (n,) float32 each, full scale 1.
        rate: Hz of the blocks.
        target: Hz wanted.
        level: "none", "peak" or "rms"; the latter two draw the blocks twice.
        level_dbfs: what peak or RMS of the whole waveform is brought to; digital silence stays.

    Yields:
        (m,) float32, none of them empty.
    """
    gain = np.float32(1.0)
    if level != "none":
        present = _level(_resampled(blocks(), rate, target), level)
        if np.isfinite(present):
            gain = np.float32(10 ** ((level_dbfs - present) / 20))
    for block in _resampled(blocks(), rate, target):
        yield block * gain


def _resampled(blocks: Iterable[np.ndarray], rate: int, target: int) -> Iterator[np.ndarray]:
    if rate == target:
        yield from (block for block in blocks if len(block))
        return
    stream = soxr.ResampleStream(rate, target, 1, dtype="float32", quality="HQ")
    for block in blocks:
        if len(done := stream.resample_chunk(block)):
            yield done
    if len(done := stream.resample_chunk(np.zeros(0, np.float32), last=True)):
        yield done


def _level(blocks: Iterable[np.ndarray], level: str) -> float:
    """Peak or RMS of the whole in dB of full scale; -inf for silence."""
    peak, energy, count = 0.0, 0.0, 0
    for block in blocks:
        peak = max(peak, float(np.abs(block).max()))
        energy += float(np.square(block, dtype=np.float64).sum())
        count += len(block)
    return decibels(peak if level == "peak" else np.sqrt(energy / max(1, count)))


class Cutter:
    """Cuts a waveform that comes in blocks into windows: every `hop` samples, and one that ends with the last step.

    Args:
        window: samples of a window.
        hop: samples between the starts of neighbouring windows, a multiple of `step`.
        step: the last window starts at a multiple of it.
        least: a waveform of fewer samples is repeated until it has so many; one window at least.
    """

    def __init__(self, window: int, hop: int, step: int, least: int = 0):
        self.window, self.hop, self.step, self.least = window, hop, step, max(window, least)
        self._kept = np.zeros(0, np.float32)  # begins at the last window given
        self._start = 0  # of what is kept
        self._next = 0  # start of the window to come

    @property
    def samples(self) -> int:
        """How many have come."""
        return self._start + len(self._kept)

    def push(self, block: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Takes the next block; yields (start, window samples) for each window that it completes."""
        self._kept = np.concatenate([self._kept, block])
        if self.samples < self.least:
            return
        while self.samples >= self._next + self.window:
            self._kept, self._start = self._kept[self._next - self._start :], self._next
            self._next += self.hop
            yield self._start, self._kept[: self.window]

    def finish(self) -> Iterator[tuple[int, np.ndarray]]:
        """Ends the waveform; yields the last window where it differs from those given; all windows of a short one."""
        if not self.samples:
            return
        if self.samples < self.least:
            repeated = Cutter(self.window, self.hop, self.step)
            yield from repeated.push(np.resize(self._kept, self.least))
            yield from repeated.finish()
            return
        last = (self.samples - self.window) // self.step * self.step
        if last > self._start:
            yield last, self._kept[last - self._start :][: self.window]

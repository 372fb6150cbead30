"""A waveform of any length as it comes: mono blocks -> resampled, levelled blocks -> windows.

What comes out is what the model was trained on; memory holds a block and a window. Who resamples is a parameter: any
class that is made and used as resampling.Resampler is.
"""

from __future__ import annotations

from typing import Any, Callable, Iterable, Iterator

import numpy as np

from speech_emotion_jetson.resampling import Resampler


def prepared(
    blocks: Callable[[], Iterable[np.ndarray]],
    rate: int,
    target: int,
    level: str,
    level_dbfs: float,
    resampler: Callable[[int, int], Any] = Resampler,
) -> Iterator[np.ndarray]:
    """The blocks at the target rate and level.

    Args:
        blocks: gives the waveform from its start, (n,) float32 each, full scale 1; drawn twice where a level is set.
        rate: Hz of the blocks.
        target: Hz wanted.
        level: "none", "peak" or "rms".
        level_dbfs: what peak or RMS of the whole waveform is brought to; digital silence stays.
        resampler: Resampler, or a class that is used like it.

    Yields:
        (m,) float32, none of them empty.
    """
    gain = np.float32(1.0)
    if level != "none":
        gain = _gain(resampled(blocks(), rate, target, resampler), level, level_dbfs)
    for block in resampled(blocks(), rate, target, resampler):
        yield block * gain


def resampled(
    blocks: Iterable[np.ndarray], rate: int, target: int, resampler: Callable[[int, int], Any] = Resampler
) -> Iterator[np.ndarray]:
    """The blocks (n,) float32 at `rate` Hz brought to `target` Hz, none of them empty."""
    stream = resampler(rate, target)
    for block in blocks:
        done = stream.push(block)
        if len(done):
            yield done
    done = stream.finish()
    if len(done):
        yield done


def levelled(window: np.ndarray, level: str, level_dbfs: float) -> np.ndarray:
    """A window of a live waveform, whose whole level nobody knows, brought to the level by itself."""
    return window if level == "none" else window * _gain([window], level, level_dbfs)


def _gain(blocks: Iterable[np.ndarray], level: str, level_dbfs: float) -> np.float32:
    """The factor that brings the peak or the RMS of the whole to `level_dbfs`; 1 for digital silence."""
    peak, energy, count = 0.0, 0.0, 0
    for block in blocks:
        peak = max(peak, float(np.abs(block).max()))
        energy += float(np.square(block, dtype=np.float64).sum())
        count += len(block)
    present = peak if level == "peak" else float(np.sqrt(energy / max(1, count)))
    # In decibels, as training computes it, so that both round alike.
    return np.float32(10 ** ((level_dbfs - 20 * np.log10(present)) / 20)) if present > 0 else np.float32(1.0)


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

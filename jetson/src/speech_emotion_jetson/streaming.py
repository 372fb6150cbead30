"""Processes a waveform of any length as a stream: mono blocks -> resampled blocks at the model's level -> windows.

The windows are computed as in training; memory holds a block and a window. The resampler is a parameter: Resampler or a
class with the same constructor and methods.
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
        blocks: gives the waveform from its start, (n,) float32 each, full scale 1; called twice if a level is set.
        rate: Hz of the blocks.
        target: Hz of the result.
        level: "none", "peak" or "rms".
        level_dbfs: level that the peak or the RMS of the whole waveform is scaled to, in dBFS; digital silence is not
            scaled.
        resampler: Resampler or a class with the same constructor and methods.

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
    """The blocks (n,) float32 at `rate` Hz resampled to `target` Hz by `resampler`, none of them empty."""
    stream = resampler(rate, target)
    for block in blocks:
        done = stream.push(block)
        if len(done):
            yield done
    done = stream.finish()
    if len(done):
        yield done


def levelled(window: np.ndarray, level: str, level_dbfs: float) -> np.ndarray:
    """A window (n,) scaled to the level by itself, for live speech, where the level of the whole is not known.

    Args:
        window: (n,) float32, full scale 1.
        level: "none", "peak" or "rms".
        level_dbfs: level that its peak or RMS is scaled to, in dBFS.
    """
    return window if level == "none" else window * _gain([window], level, level_dbfs)


def _gain(blocks: Iterable[np.ndarray], level: str, level_dbfs: float) -> np.float32:
    """The factor that scales the peak or the RMS of the whole to `level_dbfs`; 1 for digital silence."""
    peak, energy, count = 0.0, 0.0, 0
    for block in blocks:
        peak = max(peak, float(np.abs(block).max()))
        energy += float(np.square(block, dtype=np.float64).sum())
        count += len(block)
    present = peak if level == "peak" else float(np.sqrt(energy / max(1, count)))
    # Computed in decibels, as in training, so that both round in the same way.
    return np.float32(10 ** ((level_dbfs - 20 * np.log10(present)) / 20)) if present > 0 else np.float32(1.0)


class Cutter:
    """Cuts a waveform, given in blocks, into windows: one every `hop` samples, and one that ends with the last step.

    Args:
        window: samples in a window.
        hop: samples between the starts of neighbouring windows, a multiple of `step`.
        step: samples; the last window starts at a multiple of it.
        least: a waveform of fewer samples is repeated to this length, but at least to one window.
    """

    def __init__(self, window: int, hop: int, step: int, least: int = 0):
        self.window, self.hop, self.step, self.least = window, hop, step, max(window, least)
        self._kept = np.zeros(0, np.float32)  # from the start of the last window returned
        self._start = 0  # index of the first kept sample
        self._next = 0  # start of the next window

    @property
    def samples(self) -> int:
        """Number of samples received."""
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
        """Ends the waveform; yields (start, window) for the last window if it is new, or all of a short waveform."""
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

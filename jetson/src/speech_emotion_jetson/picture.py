"""The outline and the spectrogram of a waveform of any length, in a bounded number of columns, for the page."""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import Any

import numpy as np

COLUMNS = 600  # at least this many, and at most twice, if the waveform has as many frames
BANDS = 72
LOW_HZ = 50.0
FRAME_SECONDS, STEP_SECONDS = 0.032, 0.01
RANGE_DB = 65.0  # dynamic range: everything this far below the loudest value is black


class Picture:
    """Takes a waveform block by block; whenever the columns are full, they are merged in pairs, which bounds memory.

    Args:
        rate: Hz.
    """

    def __init__(self, rate: int):
        self.rate = rate
        self._step, self._frame = round(STEP_SECONDS * rate), round(FRAME_SECONDS * rate)
        self._kept = np.zeros(0, np.float32)
        self._samples = 0
        self._each = 1  # steps per column
        self._columns = np.zeros((0, BANDS + 2), np.float32)  # bands, highest and -lowest sample
        self._waiting: list[np.ndarray] = []  # steps that do not yet fill a column

    def push(self, block: np.ndarray) -> None:
        """Takes the next samples, (n,) float32."""
        self._samples += len(block)
        self._kept = np.concatenate([self._kept, block])
        count = (len(self._kept) - self._frame) // self._step + 1
        if count > 0:
            self._add(self._kept, count)
            self._kept = self._kept[count * self._step :]

    def finish(self) -> dict[str, Any]:
        """Ends the waveform.

        Returns:
            "seconds"; "columns"; "seconds_each", the length of a column; "low" and "high", the outline of the waveform,
            (columns,); "bands", "low_hz" and "high_hz" of the spectrogram, whose bands are equally wide in mel;
            "image", base64 of (bands, columns) bytes, the highest band first, 255 the loudest.
        """
        if self._samples:
            short = -(-len(self._kept) // self._step)
            padded = np.concatenate([self._kept, np.zeros(max(0, short * self._step + self._frame), np.float32)])
            if short:
                self._add(padded, short)
        columns = self._columns
        if self._waiting:
            columns = np.concatenate([columns, np.max(self._waiting, axis=0, keepdims=True)])
        decibels = 10 * np.log10(columns[:, :BANDS] + 1e-14)
        top = max(-60.0, float(decibels.max(initial=-120.0)))
        bright = np.clip((decibels - top) / RANGE_DB + 1, 0, 1)
        image = np.round(255 * bright.T[::-1]).astype(np.uint8)
        return {
            "seconds": self._samples / self.rate,
            "columns": len(columns),
            "seconds_each": self._each * self._step / self.rate,
            "low": [round(float(-value), 4) for value in columns[:, BANDS + 1]],
            "high": [round(float(value), 4) for value in columns[:, BANDS]],
            "bands": BANDS,
            "low_hz": LOW_HZ,
            "high_hz": self.rate / 2,
            "image": base64.b64encode(np.ascontiguousarray(image).tobytes()).decode("ascii"),
        }

    def _add(self, samples: np.ndarray, count: int) -> None:
        views = np.lib.stride_tricks.sliding_window_view(samples, self._frame)[:: self._step][:count]
        window = np.hanning(self._frame).astype(np.float32)
        for at in range(0, count, 256):
            frames = views[at : at + 256]
            power = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2 / window.sum() ** 2
            own = frames[:, : self._step]
            rows = np.column_stack([power @ _bank(self.rate), own.max(axis=1), -own.min(axis=1)])
            self._pool(rows.astype(np.float32))

    def _pool(self, rows: np.ndarray) -> None:
        for row in rows:
            self._waiting.append(row)
            if len(self._waiting) < self._each:
                continue
            self._columns = np.concatenate([self._columns, np.max(self._waiting, axis=0, keepdims=True)])
            self._waiting = []
            if len(self._columns) == 2 * COLUMNS:
                self._columns = self._columns.reshape(COLUMNS, 2, -1).max(axis=1)
                self._each *= 2


@lru_cache(maxsize=4)
def _bank(rate: int) -> np.ndarray:
    """Triangular filters (K, BANDS) equally wide in mel (O'Shaughnessy 1987)."""
    frame = round(FRAME_SECONDS * rate)
    edges = np.linspace(*(2595 * np.log10(1 + np.array([LOW_HZ, rate / 2]) / 700)), BANDS + 2)
    mel = 2595 * np.log10(1 + np.fft.rfftfreq(frame, 1 / rate) / 700)
    rise = (mel[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - mel[:, None]) / (edges[2:] - edges[1:-1])
    bank = np.maximum(0, np.minimum(rise, fall))
    # Low bands can be narrower than a frequency bin: these take the nearest bin.
    nearest = np.abs(mel[:, None] - edges[1:-1]).argmin(axis=0)
    empty = bank.sum(axis=0) == 0
    bank[nearest[empty], np.flatnonzero(empty)] = 1
    return bank / bank.sum(axis=0)

"""The model asked about recordings of any length, and about speech as it comes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Callable, Iterable, Iterator, Mapping

import numpy as np

from speech_emotion_jetson.backends import AT_ONCE, Backend, load_backend
from speech_emotion_jetson.bundle import Bundle
from speech_emotion_jetson.errors import UserError
from speech_emotion_jetson.likeness import SILENT_RMS, Likeness, Stretches, loudness
from speech_emotion_jetson.reading import MAX_RATE, MIN_RATE, Source
from speech_emotion_jetson.streaming import Cutter, levelled, prepared, resampled
from speech_emotion_jetson.timeline import Smoother, Stretch, stretches

BLOCK_SECONDS = 10.0  # of audio in memory at a time
HALF_LIFE = 1.0  # of smoothing, seconds
MAX_PEAK = 16.0  # of full scale; float files overshoot 1 a little, samples of 16-bit scale by thousands
RECENT_STRETCHES = 5  # of live speech, a second apart, that say whether it is like the training speech
FLOOR = 1e-6  # of a probability before its logarithm, as the temperature was fitted


@dataclass(frozen=True)
class Window:
    """A window of a recording, or the latest one of live speech.

    Attributes:
        start: seconds; end: seconds, at most the recording's end.
        probabilities: (classes,) at the model's temperature.
        smoothed: (classes,) over this and earlier windows.
        silent: nothing can be heard in it.
        distance: of live speech, from the training speech; above 1 is unlike it; 0 until it can be told.
    """

    start: float
    end: float
    probabilities: np.ndarray
    smoothed: np.ndarray
    silent: bool = False
    distance: float = 0.0


@dataclass(frozen=True)
class Prediction:
    """What the model says of a recording.

    Attributes:
        emotion: the most probable.
        probabilities: emotion -> probability, in the model's order; they sum to 1.
        unlike_training: it is unlike the speech that the model was trained on: do not rely on the rest; None where
            nobody asked.
        distance: from that speech; above 1 is unlike it; None where nobody asked.
        seconds: length of the recording.
        windows: in order of time.
        timeline: stretches of one emotion.
        milliseconds: what was spent on it: "model" in the graph, "total" on all.
    """

    emotion: str
    probabilities: Mapping[str, float]
    unlike_training: bool | None
    distance: float | None
    seconds: float
    windows: tuple[Window, ...]
    timeline: tuple[Stretch, ...]
    milliseconds: Mapping[str, float]


class Recogniser:
    """A bundle's model, loaded.

    Args:
        bundle: opened.
        backend: computes windows.
        half_life: of smoothing, seconds.
        compare: with the training speech as well, which takes about as long as two windows for a second of speech.

    Attributes:
        labels: emotions, in the order of probabilities.
    """

    def __init__(self, bundle: Bundle, backend: Backend, half_life: float = HALF_LIFE, compare: bool = True):
        self.bundle, self.backend, self.half_life = bundle, backend, half_life
        self._compare = compare
        self.labels = bundle.labels
        self._likeness = Likeness.from_file(bundle.likeness)
        said = self.backend.ask(np.zeros(bundle.window_samples, np.float32))  # the first window is the slowest
        if not np.isfinite(said).all() or abs(float(said.sum()) - 1) > 1e-2:
            raise UserError(
                f"{bundle.folder}: the model's answers are no probabilities on {backend.name}: --backend cpu"
            )

    @classmethod
    def load(
        cls, bundle: Bundle, variant: str | None = None, backend: str = "auto", threads: int = 1, **more: Any
    ) -> Recogniser:
        """Loads a variant of an opened bundle; see `load_backend`."""
        return cls(bundle, load_backend(bundle, bundle.variant(variant), backend, threads), **more)

    def predict_file(self, path: Path, **more: Any) -> Prediction:
        """Asks about a file of any length; raises AudioFault where it cannot be read to its end."""
        return self.predict_source(Source(path), **more)

    def predict_source(self, source: Source, **more: Any) -> Prediction:
        """Asks about an open file; `more` is what `predict_blocks` takes."""
        return self.predict_blocks(lambda: map(checked, source.blocks(BLOCK_SECONDS)), source.rate, **more)

    def predict(self, samples: np.ndarray, rate: int) -> Prediction:
        """Asks about a waveform (n,) of floats at `rate` Hz, full scale 1."""
        samples = checked(samples)
        if not MIN_RATE <= rate <= MAX_RATE:
            raise UserError(f"rate = {rate}: must lie within {MIN_RATE} and {MAX_RATE} Hz")
        return self.predict_blocks(lambda: [samples], rate)

    def predict_blocks(
        self,
        blocks: Callable[[], Iterable[np.ndarray]],
        rate: int,
        heard: Callable[[np.ndarray], None] = lambda block: None,
    ) -> Prediction:
        """Asks about a waveform that can be drawn block by block; memory does not grow with its samples.

        Args:
            blocks: gives the waveform from its start, (n,) float32 each; may be drawn twice.
            rate: Hz of the blocks.
            heard: is told each block at the model's rate and level; what it raises ends the work.
        """
        begun = perf_counter()
        bundle, spent, count = self.bundle, 0.0, 0

        def counted() -> Iterator[np.ndarray]:
            nonlocal count
            count = 0
            for block in blocks():
                count += len(block)
                yield block

        cutter = Cutter(bundle.window_samples, bundle.hop_samples, bundle.frame_hop_samples, bundle.least_samples)
        measured = Stretches(bundle.sample_rate)
        starts, rows, waiting = [], [], []

        def ask(found: list[tuple[int, np.ndarray]]) -> None:
            nonlocal spent
            before = perf_counter()
            rows.extend(self.backend.ask_all(found))
            spent += perf_counter() - before
            starts.extend(start for start, _ in found)

        for block in prepared(counted, rate, bundle.sample_rate, bundle.level, bundle.level_dbfs):
            heard(block)
            if self._compare:
                measured.push(block)
            waiting.extend(cutter.push(block))
            if len(waiting) >= AT_ONCE:
                ask(waiting)
                waiting.clear()
        ask([*waiting, *cutter.finish()])
        if not rows:
            raise UserError(f"samples = {count} at {rate} Hz: are none at {bundle.sample_rate} Hz: give more of them")
        seconds = count / rate
        windows = self._windows(starts, rows, seconds)
        mean = np.mean(rows, axis=0, dtype=np.float64)
        calibrated = tempered(mean, bundle.temperature)
        distance = self._likeness.distance(measured.finish()) if self._compare else None
        return Prediction(
            emotion=self.labels[int(mean.argmax())],
            probabilities=self.named(calibrated),
            unlike_training=None if distance is None else distance > 1.0,
            distance=distance,
            seconds=seconds,
            windows=tuple(windows),
            timeline=tuple(
                stretches(
                    [(one.start, one.end) for one in windows], [one.smoothed for one in windows], self.labels, seconds
                )
            ),
            milliseconds={"model": 1000 * spent, "total": 1000 * (perf_counter() - begun)},
        )

    def _windows(self, starts: list[int], rows: list[np.ndarray], seconds: float) -> list[Window]:
        rate, smoother, windows = self.bundle.sample_rate, Smoother(self.half_life), []
        for start, row in zip(starts, rows):
            if start and start >= seconds * rate:  # of a short waveform's repetitions; they count in the whole's answer
                break
            begin, end = start / rate, min((start + self.bundle.window_samples) / rate, seconds)
            probabilities = tempered(row, self.bundle.temperature)
            windows.append(Window(begin, end, probabilities, smoother.push(end, probabilities)))
        return windows

    def follow(self, blocks: Iterable[np.ndarray], rate: int) -> Iterator[Window]:
        """Asks about speech as it comes, for as long as it comes; memory stays the same.

        The level, where the model wants one, is set window by window, since that of the whole is not known.

        Args:
            blocks: (n,) float32 at `rate` Hz, full scale 1.

        Yields:
            A window every hop, from the first full window on; and what is left when the blocks end.
        """
        bundle = self.bundle
        cutter = Cutter(bundle.window_samples, bundle.hop_samples, bundle.frame_hop_samples)
        recent, smoother = Stretches(bundle.sample_rate, RECENT_STRETCHES), Smoother(self.half_life)

        def said(start: int, window: np.ndarray) -> Window:
            row = self.backend.ask(levelled(window, bundle.level, bundle.level_dbfs))
            probabilities = tempered(row, bundle.temperature)
            begin = start / bundle.sample_rate
            end = min(start + bundle.window_samples, cutter.samples) / bundle.sample_rate
            return Window(
                begin,
                end,
                probabilities,
                smoother.push(end, probabilities),
                loudness(window) < SILENT_RMS,
                self._likeness.distance(recent.loud()) if len(recent) else 0.0,
            )

        for block in resampled(blocks, rate, bundle.sample_rate):
            if self._compare:
                recent.push(block)
            for start, window in cutter.push(block):
                yield said(start, window)
        for start, window in cutter.finish():
            yield said(start, window)

    def named(self, probabilities: np.ndarray) -> dict[str, float]:
        """emotion -> probability of (classes,)."""
        return {label: float(value) for label, value in zip(self.labels, probabilities)}


def tempered(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities (classes,) at a temperature: above 1 flatter, below 1 sharper, 1 leaves them be."""
    if temperature == 1.0:
        return probabilities
    logits = np.log(np.maximum(probabilities, FLOOR)) / temperature
    exponentials = np.exp(logits - logits.max())
    return exponentials / exponentials.sum()


def checked(samples: np.ndarray) -> np.ndarray:
    """A caller's or a stream's samples (n,) as float32; UserError where they are no waveform of full scale 1."""
    samples = np.asarray(samples)
    if samples.ndim != 1 or samples.dtype.kind != "f" or not len(samples):
        raise UserError(f"samples = {samples.dtype} {samples.shape}: must be floats (n,) of full scale 1, one at least")
    if not np.isfinite(samples).all():
        raise UserError(f"samples = {np.count_nonzero(~np.isfinite(samples))} NaN or infinite: check --encoding")
    peak = float(np.abs(samples).max())
    if peak > MAX_PEAK:
        raise UserError(f"samples = peak {peak:.6g}: full scale is 1: check --encoding, or divide 16-bit by 32768")
    return np.ascontiguousarray(samples, dtype=np.float32)

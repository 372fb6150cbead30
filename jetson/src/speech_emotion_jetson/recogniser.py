"""The model asked about recordings of any length, and about speech as it comes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Callable, Iterable, Iterator, Mapping

import numpy as np

from speech_emotion_jetson.backends import AT_ONCE, Backend, load_backend
from speech_emotion_jetson.bundle import Bundle, Interface
from speech_emotion_jetson.errors import UserError
from speech_emotion_jetson.likeness import SILENT_RMS, Likeness, Stretches, loudness
from speech_emotion_jetson.reading import MAX_CHANNELS, MAX_RATE, MIN_RATE, Source
from speech_emotion_jetson.resampling import Resampler
from speech_emotion_jetson.streaming import Cutter, levelled, prepared, resampled
from speech_emotion_jetson.temperature import tempered
from speech_emotion_jetson.timeline import Smoother, Stretch, stretches

BLOCK_SECONDS = 10.0  # of audio in memory at a time
HALF_LIFE = 1.0  # of smoothing, seconds
MAX_PEAK = 16.0  # of full scale; float files overshoot 1 a little, samples of 16-bit scale by thousands
RECENT_STRETCHES = 5  # of live speech, a second apart, that say whether it is like the training speech


@dataclass(frozen=True)
class Window:
    """A window of a recording, or the latest one of live speech.

    Attributes:
        start: seconds; end: seconds, at most the recording's end.
        probabilities: emotion -> probability at the model's temperature.
        smoothed: the same over this and earlier windows.
        silent: nothing can be heard in it.
        distance: of live speech, from the training speech; above 1 is unlike it; 0 until it can be told.
    """

    start: float
    end: float
    probabilities: Mapping[str, float]
    smoothed: Mapping[str, float]
    silent: bool = False
    distance: float = 0.0

    @property
    def emotion(self) -> str:
        """The most probable."""
        return max(self.probabilities, key=self.probabilities.__getitem__)


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
    """A loaded model.

    Args:
        bundle: what the model expects.
        backend: computes windows.
        half_life: of smoothing, seconds.
        compare: with the training speech as well, which takes about as long as two windows for a second of speech.
        source: opens the files of `predict_file`; Source, or a class that is used like it.
        resampler: brings a waveform to the model's rate; Resampler, or a class that is used like it.

    Attributes:
        labels: emotions, in the order of probabilities.
    """

    def __init__(
        self,
        bundle: Interface,
        backend: Backend,
        half_life: float = HALF_LIFE,
        compare: bool = True,
        source: Callable[[Path], Any] = Source,
        resampler: Callable[[int, int], Any] = Resampler,
    ):
        self.bundle, self.backend, self.half_life = bundle, backend, half_life
        self._compare, self._source, self._resampler = compare, source, resampler
        self.labels = bundle.labels
        self._likeness = Likeness.from_file(bundle.likeness)
        said = self.backend.ask(np.zeros(bundle.window_samples, np.float32))  # the first window is the slowest
        if not np.isfinite(said).all() or abs(float(said.sum()) - 1) > 1e-2:
            raise UserError(
                f"{bundle.folder}: the model's answers are no probabilities on {backend.name}: "
                "take the backend cpu, or export again"
            )

    @classmethod
    def load(
        cls, bundle: Bundle, variant: str | None = None, backend: str = "auto", threads: int = 1, **more: Any
    ) -> Recogniser:
        """Loads a variant of an opened bundle; see `load_backend`."""
        return cls(bundle, load_backend(bundle, bundle.variant(variant), backend, threads), **more)

    def predict_file(self, path: Path, **more: Any) -> Prediction:
        """Asks about a file of any length; raises AudioFault where it cannot be read to its end."""
        return self.predict_source(self._source(path), **more)

    def predict_source(self, source: Source, **more: Any) -> Prediction:
        """Asks about an open file; `more` is what `predict_blocks` takes."""
        return self.predict_blocks(lambda: map(checked, source.blocks(BLOCK_SECONDS)), source.rate, **more)

    def predict(self, samples: np.ndarray, sample_rate: int) -> Prediction:
        """Asks about a waveform.

        Args:
            samples: (N,) or (N, channels) floats, full scale 1; channels are averaged. Any N of at least 1: a
                waveform shorter than one window is repeated, as in training.
            sample_rate: Hz, 8000 to 96000.

        Raises:
            UserError: another shape, type or rate, no samples, or some that are NaN or infinite.
        """
        if not MIN_RATE <= sample_rate <= MAX_RATE:
            raise UserError(f"sample_rate = {sample_rate}: must lie within {MIN_RATE} and {MAX_RATE} Hz")
        mono = checked(samples)
        length = round(BLOCK_SECONDS * sample_rate)
        return self.predict_blocks(
            lambda: (mono[start : start + length] for start in range(0, len(mono), length)), sample_rate
        )

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

        for block in self.prepared(counted, rate):
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
        windows, smoothed = self._windows(starts, rows, seconds)
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
            timeline=tuple(stretches([(one.start, one.end) for one in windows], smoothed, self.labels, seconds)),
            milliseconds={"model": 1000 * spent, "total": 1000 * (perf_counter() - begun)},
        )

    def prepared(self, blocks: Callable[[], Iterable[np.ndarray]], rate: int) -> Iterator[np.ndarray]:
        """A waveform as `predict_blocks` takes it, at the model's rate and level: (m,) float32 each, none empty."""
        bundle = self.bundle
        return prepared(blocks, rate, bundle.sample_rate, bundle.level, bundle.level_dbfs, self._resampler)

    def _windows(
        self, starts: list[int], rows: list[np.ndarray], seconds: float
    ) -> tuple[list[Window], list[np.ndarray]]:
        """The windows of a recording, and the smoothed probabilities (classes,) of each."""
        rate, smoother, windows, smoothed = self.bundle.sample_rate, Smoother(self.half_life), [], []
        for start, row in zip(starts, rows):
            if start and start >= seconds * rate:  # of a short waveform's repetitions; they count in the whole's answer
                break
            begin, end = start / rate, min((start + self.bundle.window_samples) / rate, seconds)
            probabilities = tempered(row, self.bundle.temperature)
            smoothed.append(smoother.push(end, probabilities))
            windows.append(Window(begin, end, self.named(probabilities), self.named(smoothed[-1])))
        return windows, smoothed

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
                self.named(probabilities),
                self.named(smoother.push(end, probabilities)),
                loudness(window) < SILENT_RMS,
                self._likeness.distance(recent.loud()) if len(recent) else 0.0,
            )

        for block in resampled(blocks, rate, bundle.sample_rate, self._resampler):
            if self._compare:
                recent.push(block)
            for start, window in cutter.push(block):
                yield said(start, window)
        for start, window in cutter.finish():
            yield said(start, window)

    def named(self, probabilities: np.ndarray) -> dict[str, float]:
        """emotion -> probability of (classes,)."""
        return {label: float(value) for label, value in zip(self.labels, probabilities)}


def checked(samples: np.ndarray) -> np.ndarray:
    """A caller's or a stream's samples as one waveform.

    Args:
        samples: (N,) or (N, channels) floats, full scale 1, N at least 1.

    Returns:
        (N,) float32, the mean of the channels.

    Raises:
        UserError: another shape or type, no samples, some that are NaN or infinite, or another full scale.
    """
    samples = np.asarray(samples)
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and samples.shape[1] > MAX_CHANNELS):
        raise UserError(f"samples = {samples.shape}: must be (N,) or (N, channels), at most {MAX_CHANNELS} of them")
    if samples.dtype.kind != "f":
        raise UserError(f"samples = {samples.dtype}: must be floats of full scale 1: divide 16-bit samples by 32768")
    if samples.size == 0:
        raise UserError("samples = none: give at least one")
    if not np.isfinite(samples).all():
        count = int(np.count_nonzero(~np.isfinite(samples)))
        raise UserError(f"samples = {count} of {samples.size} NaN or infinite: remove them")
    peak = float(np.abs(samples).max())
    if peak > MAX_PEAK:
        raise UserError(f"samples = peak {peak:.6g}: full scale is 1: divide 16-bit samples by 32768")
    mono = samples if samples.ndim == 1 else samples.mean(axis=1, dtype=np.float64)
    return np.ascontiguousarray(mono, dtype=np.float32)

"""Runs a model on recordings of any length and on live speech."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Callable, Iterable, Iterator, Mapping

import numpy as np

from speech_emotion_jetson.backends import AT_ONCE, Backend, load_backend
from speech_emotion_jetson.bundle import Bundle, Interface
from speech_emotion_jetson.errors import UserError
from speech_emotion_jetson.out_of_distribution import SILENT_RMS, OodDetector, Segments, loudness
from speech_emotion_jetson.reading import MAX_CHANNELS, MAX_RATE, MIN_RATE, Source
from speech_emotion_jetson.resampling import Resampler
from speech_emotion_jetson.streaming import Cutter, levelled, prepared, resampled
from speech_emotion_jetson.temperature import tempered
from speech_emotion_jetson.timeline import Segment, Smoother, segments

BLOCK_SECONDS = 10.0  # of audio in memory at a time
HALF_LIFE = 1.0  # of smoothing over time, seconds
MAX_PEAK = 16.0  # of full scale; float files exceed 1 slightly, 16-bit samples stored as floats by thousands
RECENT_SEGMENTES = 5  # latest segments of live speech, a second apart, that its out-of-distribution score is taken from


@dataclass(frozen=True)
class Window:
    """A window of a recording, or the latest one of live speech.

    Attributes:
        start: seconds from the start of the recording.
        end: seconds; at most the end of the recording.
        probabilities: emotion -> probability, calibrated by the model's temperature.
        smoothed: the probabilities smoothed over this and earlier windows.
        silent: its loudness is below SILENT_RMS.
        ood_score: out-of-distribution score of live speech, above 1 is out of distribution; 0 for the first two
            seconds, and for windows of a recording.
    """

    start: float
    end: float
    probabilities: Mapping[str, float]
    smoothed: Mapping[str, float]
    silent: bool = False
    ood_score: float = 0.0

    @property
    def emotion(self) -> str:
        """The most probable emotion."""
        return max(self.probabilities, key=self.probabilities.__getitem__)


@dataclass(frozen=True)
class Prediction:
    """The model's answer for a recording.

    Attributes:
        emotion: the most probable emotion.
        probabilities: emotion -> calibrated probability, in the model's order; they sum to 1.
        out_of_distribution: the recording is unlike the speech that the model was trained on: do not rely on the
            answer. None without the detector.
        ood_score: out-of-distribution score, 0 to 1000; above 1 is out of distribution. None without the detector.
        seconds: length of the recording.
        windows: in order of time.
        timeline: segments of one emotion, in order of time.
        milliseconds: time spent: "model" in the graph, "total" on everything.
    """

    emotion: str
    probabilities: Mapping[str, float]
    out_of_distribution: bool | None
    ood_score: float | None
    seconds: float
    windows: tuple[Window, ...]
    timeline: tuple[Segment, ...]
    milliseconds: Mapping[str, float]


class Recogniser:
    """A loaded model.

    Args:
        bundle: what the model expects.
        backend: computes the probabilities of windows.
        half_life: of smoothing over time, seconds.
        detect_ood: compute the out-of-distribution score, which for one second of speech takes about as long as two
            windows.
        source: opens a file for `predict_file`; Source or a class with the same methods.
        resampler: resamples a waveform to the model's rate; Resampler or a class with the same methods.

    Attributes:
        labels: emotions, in the order of probabilities.

    Raises:
        UserError: the detector's file is damaged, or the model's outputs are not probabilities.
    """

    def __init__(
        self,
        bundle: Interface,
        backend: Backend,
        half_life: float = HALF_LIFE,
        detect_ood: bool = True,
        source: Callable[[Path], Any] = Source,
        resampler: Callable[[int, int], Any] = Resampler,
    ):
        self.bundle, self.backend, self.half_life = bundle, backend, half_life
        self._detect_ood, self._source, self._resampler = detect_ood, source, resampler
        self.labels = bundle.labels
        self._detector = OodDetector.from_file(bundle.out_of_distribution)
        said = self.backend.ask(np.zeros(bundle.window_samples, np.float32))  # the first window is the slowest
        if not np.isfinite(said).all() or abs(float(said.sum()) - 1) > 1e-2:
            raise UserError(
                f"{bundle.folder}: the model's outputs are not probabilities on {backend.name}: "
                "use the backend cpu, or export again"
            )

    @classmethod
    def load(
        cls, bundle: Bundle, variant: str | None = None, backend: str = "auto", threads: int = 1, **more: Any
    ) -> Recogniser:
        """Loads a variant of an opened bundle.

        Args:
            bundle: as `bundle.opened` gives it.
            variant: name of one of its variants; None is the default one.
            backend: one of backends.BACKENDS.
            threads: of onnxruntime on the CPU, 1 or more.
            more: other arguments of Recogniser.

        Raises:
            UserError: there is no such variant or backend, or the model cannot be loaded.
        """
        return cls(bundle, load_backend(bundle, bundle.variant(variant), backend, threads), **more)

    def predict_file(self, path: Path, **more: Any) -> Prediction:
        """Predicts the emotion of a file of any length; `more` is as for `predict_blocks`.

        Raises:
            AudioFault: the file cannot be read completely.
        """
        return self.predict_source(self._source(path), **more)

    def predict_source(self, source: Source, **more: Any) -> Prediction:
        """Predicts the emotion of an open audio file; `more` is as for `predict_blocks`."""
        return self.predict_blocks(lambda: map(checked, source.blocks(BLOCK_SECONDS)), source.rate, **more)

    def predict(self, samples: np.ndarray, sample_rate: int) -> Prediction:
        """Predicts the emotion of a waveform.

        Args:
            samples: (N,) or (N, channels) floats, full scale 1; channels are averaged. N is 1 or more: a waveform
                shorter than `least_samples` is repeated, as in training.
            sample_rate: Hz, 8000 to 96000.

        Raises:
            UserError: wrong shape, type or rate, no samples, or NaN or infinite ones.
        """
        if not MIN_RATE <= sample_rate <= MAX_RATE:
            raise UserError(f"sample_rate = {sample_rate}: must be within {MIN_RATE} and {MAX_RATE} Hz")
        mono = checked(samples)
        length = round(BLOCK_SECONDS * sample_rate)
        return self.predict_blocks(
            lambda: (mono[start : start + length] for start in range(0, len(mono), length)), sample_rate
        )

    def predict_blocks(
        self,
        blocks: Callable[[], Iterable[np.ndarray]],
        rate: int,
        on_block: Callable[[np.ndarray], None] = lambda block: None,
    ) -> Prediction:
        """Predicts the emotion of a waveform that is read block by block, so that memory does not grow with its length.

        Args:
            blocks: gives the waveform from its start, (n,) float32 each; may be called twice.
            rate: Hz of the blocks.
            on_block: is called with each block at the model's rate and level; it may raise to stop the prediction.

        Raises:
            UserError: the waveform has no samples at the model's rate.
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
        measured = Segments(bundle.sample_rate)
        starts, rows, waiting = [], [], []

        def ask(found: list[tuple[int, np.ndarray]]) -> None:
            nonlocal spent
            before = perf_counter()
            rows.extend(self.backend.ask_all(found))
            spent += perf_counter() - before
            starts.extend(start for start, _ in found)

        for block in self.prepared(counted, rate):
            on_block(block)
            if self._detect_ood:
                measured.push(block)
            waiting.extend(cutter.push(block))
            if len(waiting) >= AT_ONCE:
                ask(waiting)
                waiting.clear()
        ask([*waiting, *cutter.finish()])
        if not rows:
            raise UserError(f"samples = {count} at {rate} Hz: too few for one at {bundle.sample_rate} Hz: give more")
        seconds = count / rate
        windows, smoothed = self._windows(starts, rows, seconds)
        mean = np.mean(rows, axis=0, dtype=np.float64)
        calibrated = tempered(mean, bundle.temperature)
        score = self._detector.score(measured.finish()) if self._detect_ood else None
        return Prediction(
            emotion=self.labels[int(mean.argmax())],
            probabilities=self.named(calibrated),
            out_of_distribution=None if score is None else score > 1.0,
            ood_score=score,
            seconds=seconds,
            windows=tuple(windows),
            timeline=tuple(segments([(one.start, one.end) for one in windows], smoothed, self.labels, seconds)),
            milliseconds={"model": 1000 * spent, "total": 1000 * (perf_counter() - begun)},
        )

    def prepared(self, blocks: Callable[[], Iterable[np.ndarray]], rate: int) -> Iterator[np.ndarray]:
        """The waveform of `predict_blocks` at the model's rate and level: blocks (m,) float32, none empty."""
        bundle = self.bundle
        return prepared(blocks, rate, bundle.sample_rate, bundle.level, bundle.level_dbfs, self._resampler)

    def _windows(
        self, starts: list[int], rows: list[np.ndarray], seconds: float
    ) -> tuple[list[Window], list[np.ndarray]]:
        """The windows of a recording, and the smoothed probabilities (classes,) of each."""
        rate, smoother, windows, smoothed = self.bundle.sample_rate, Smoother(self.half_life), [], []
        for start, row in zip(starts, rows):
            if start and start >= seconds * rate:  # a repetition of a short waveform; it counts in the answer only
                break
            begin, end = start / rate, min((start + self.bundle.window_samples) / rate, seconds)
            probabilities = tempered(row, self.bundle.temperature)
            smoothed.append(smoother.push(end, probabilities))
            windows.append(Window(begin, end, self.named(probabilities), self.named(smoothed[-1])))
        return windows, smoothed

    def follow(self, blocks: Iterable[np.ndarray], rate: int) -> Iterator[Window]:
        """Predicts the emotion of live speech until it ends; memory does not grow.

        If the model normalises the level, that is done window by window, since the whole's level is not known yet.

        Args:
            blocks: (n,) float32 at `rate` Hz, full scale 1.
            rate: Hz of the blocks.

        Yields:
            A window every hop, from the first full window on; and the rest when the blocks end.
        """
        bundle = self.bundle
        cutter = Cutter(bundle.window_samples, bundle.hop_samples, bundle.frame_hop_samples)
        recent, smoother = Segments(bundle.sample_rate, RECENT_SEGMENTES), Smoother(self.half_life)

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
                self._detector.score(recent.loud()) if len(recent) else 0.0,
            )

        for block in resampled(blocks, rate, bundle.sample_rate, self._resampler):
            if self._detect_ood:
                recent.push(block)
            for start, window in cutter.push(block):
                yield said(start, window)
        for start, window in cutter.finish():
            yield said(start, window)

    def named(self, probabilities: np.ndarray) -> dict[str, float]:
        """emotion -> probability of (classes,)."""
        return {label: float(value) for label, value in zip(self.labels, probabilities)}


def checked(samples: np.ndarray) -> np.ndarray:
    """Checks samples of a caller or a stream and averages their channels.

    Args:
        samples: (N,) or (N, channels) floats, full scale 1, N at least 1.

    Returns:
        (N,) float32, the mean of the channels.

    Raises:
        UserError: wrong shape or type, no samples, NaN or infinite ones, or a wrong full scale.
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

"""The exported model as a recogniser: a waveform or a file of any length -> the emotion and all probabilities."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from speech_emotion.audio.reading import MAX_RATE, MIN_RATE, stream_audio
from speech_emotion.errors import UserError
from speech_emotion.evaluation.calibration import tempered
from speech_emotion.export.files import FP32, LIKENESS
from speech_emotion.inference.bundle import Bundle, check_file, read_bundle
from speech_emotion.inference.likeness import Likeness, Stretches
from speech_emotion.inference.streaming import Blocks, Cutter, prepared

BLOCK_SECONDS = 10.0  # of audio in memory at a time
MAX_CHANNELS = 64
MAX_PEAK = 16.0  # of full scale; float files overshoot 1 a little, samples of 16-bit scale by thousands


@dataclass(frozen=True)
class Window:
    """A window of a waveform.

    Attributes:
        start: seconds.
        end: seconds; of a waveform shorter than one window, its own end.
        probabilities: emotion -> probability at the utterance's temperature.
    """

    start: float
    end: float
    probabilities: Mapping[str, float]

    @property
    def emotion(self) -> str:
        return max(self.probabilities, key=self.probabilities.__getitem__)


@dataclass(frozen=True)
class Prediction:
    """What a recogniser says of a waveform.

    Attributes:
        emotion: the most probable.
        probabilities: emotion -> calibrated probability, in the model's order; they sum to 1.
        unlike_training: the waveform is unlike the speech that the model was trained on: do not rely on the rest.
        distance: from that speech; above 1 is unlike it.
        seconds: length of the waveform.
        windows: in order of time.
    """

    emotion: str
    probabilities: Mapping[str, float]
    unlike_training: bool
    distance: float
    seconds: float
    windows: tuple[Window, ...]

    def to_json(self, windows: bool = False) -> dict[str, Any]:
        """Plain values, without the windows unless asked for."""
        record = {
            "emotion": self.emotion,
            "probabilities": dict(self.probabilities),
            "unlike_training": self.unlike_training,
            "distance": self.distance,
            "seconds": self.seconds,
        }
        if windows:
            record["windows"] = [
                {"start": one.start, "end": one.end, "probabilities": dict(one.probabilities)} for one in self.windows
            ]
        return record


class Recogniser:
    """An exported model, on the CPU with one thread.

    Attributes:
        bundle: what the model expects.
        likeness: the speech that it was trained on.
    """

    def __init__(self, bundle: Bundle, likeness: Likeness, model: bytes | Path):
        self.bundle = bundle
        self.likeness = likeness
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        source = model if isinstance(model, bytes) else str(model)
        self._session = ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])

    @classmethod
    def load(cls, folder: Path | str) -> "Recogniser":
        """Loads a folder that the export step wrote, or a copy of it.

        Raises:
            UserError: files are absent, damaged, or do not belong together.
        """
        folder = Path(folder)
        bundle = read_bundle(folder)
        likeness = Likeness.from_file(check_file(folder, bundle, LIKENESS))
        return cls(bundle, likeness, check_file(folder, bundle, FP32))

    @property
    def labels(self) -> tuple[str, ...]:
        """Emotions, in the order of the probabilities."""
        return self.bundle.labels

    def predict(self, samples: np.ndarray, sample_rate: int) -> Prediction:
        """Asks about a waveform.

        Args:
            samples: (N,) or (N, channels) floats, full scale 1; channels are averaged. Any N of at least 1: a
                waveform shorter than one window is repeated, as in training.
            sample_rate: Hz, 8000 to 96000.

        Raises:
            UserError: another shape, type or rate, no samples, or some that are NaN or infinite.
        """
        mono = _checked(samples, sample_rate)
        length = round(BLOCK_SECONDS * sample_rate)
        return self._predict(
            lambda: (mono[start : start + length] for start in range(0, len(mono), length)), sample_rate
        )

    def predict_file(self, path: Path | str) -> Prediction:
        """Asks about a WAV, FLAC, Ogg or MP3 file at 8 to 96 kHz; memory does not grow with its length.

        Raises:
            AudioFault: the file cannot be read to its end.
            UserError: its samples are floats of another full scale than 1.
        """
        with closing(stream_audio(path, BLOCK_SECONDS)) as stream:
            rate = next(stream).rate
        return self._predict(lambda: (_of_full_scale(part.samples) for part in stream_audio(path, BLOCK_SECONDS)), rate)

    def _predict(self, blocks: Blocks, rate: int) -> Prediction:
        bundle = self.bundle
        count = 0

        def counted() -> Iterator[np.ndarray]:
            nonlocal count
            count = 0  # the level may draw the blocks twice
            for block in blocks():
                count += len(block)
                yield block

        cutter = Cutter(bundle.window_samples, bundle.hop_samples, bundle.frame_hop_samples, bundle.least_samples)
        stretches = Stretches(bundle.sample_rate)
        starts, rows = [], []
        for block in prepared(counted, rate, bundle.sample_rate, bundle.level, bundle.level_dbfs):
            stretches.push(block)
            for start, window in cutter.push(block):
                starts.append(start)
                rows.append(self._ask(window))
        for start, window in cutter.finish():
            starts.append(start)
            rows.append(self._ask(window))
        if not rows:
            raise UserError(f"samples = {count} at {rate} Hz: are none at {bundle.sample_rate} Hz: give more of them")
        seconds = count / rate
        windows = tuple(
            Window(
                start / bundle.sample_rate,
                min((start + bundle.window_samples) / bundle.sample_rate, seconds),
                self._named(tempered(row, bundle.temperature)),
            )
            for start, row in zip(starts, rows, strict=True)
            if not start or start < seconds * bundle.sample_rate  # the others are of a short waveform's repetitions
        )
        mean = np.mean(rows, axis=0, dtype=np.float64)
        probabilities = self._named(tempered(mean, bundle.temperature))
        emotion = self.labels[int(mean.argmax())]
        distance = self.likeness.distance(stretches.finish())
        return Prediction(emotion, probabilities, distance > 1.0, distance, seconds, windows)

    def _ask(self, window: np.ndarray) -> np.ndarray:
        """Probabilities (classes,) of a window (window samples,), float64."""
        inputs = {self.bundle.input: np.ascontiguousarray(window)[np.newaxis]}
        return self._session.run([self.bundle.output], inputs)[0][0].astype(np.float64)

    def _named(self, probabilities: np.ndarray) -> dict[str, float]:
        return {label: float(value) for label, value in zip(self.labels, probabilities, strict=True)}


def _checked(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """The mean of the channels of a caller's waveform, (N,) float32."""
    if not MIN_RATE <= sample_rate <= MAX_RATE:
        raise UserError(f"sample_rate = {sample_rate}: must lie within {MIN_RATE} and {MAX_RATE} Hz")
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
    mono = _of_full_scale(samples) if samples.ndim == 1 else _of_full_scale(samples).mean(axis=1, dtype=np.float64)
    return np.ascontiguousarray(mono, dtype=np.float32)


def _of_full_scale(samples: np.ndarray) -> np.ndarray:
    if (peak := float(np.abs(samples).max())) > MAX_PEAK:
        raise UserError(f"samples = peak {peak:.6g}: full scale is 1: divide 16-bit samples by 32768")
    return samples

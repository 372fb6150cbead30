"""The exported model as a recogniser: from a waveform or a file of any length to the probabilities of all emotions.

It is the device's runtime, but reads files with soundfile and resamples with soxr, as training does.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import soxr

from speech_emotion.audio.reading import stream_audio
from speech_emotion.export.files import FP32
from speech_emotion.inference.bundle import check_file, read_bundle
from speech_emotion_jetson import recogniser as device
from speech_emotion_jetson.backends import PROVIDERS, OnnxBackend


class Recogniser(device.Recogniser):
    """An exported model, on one thread of the CPU."""

    @classmethod
    def load(cls, folder: Path | str) -> "Recogniser":
        """Loads an export.

        Args:
            folder: that the export step wrote, or a copy of it.

        Raises:
            UserError: files are absent, damaged, or from different exports.
        """
        bundle = read_bundle(Path(folder))
        check_file(bundle, bundle.out_of_distribution.name)
        backend = OnnxBackend(bundle, check_file(bundle, FP32), PROVIDERS["cpu"], threads=1)
        return cls(bundle, backend, source=Source, resampler=Resampler)


class Source:
    """An audio file for `Recogniser.predict_file`.

    Args:
        path: of the file.

    Attributes:
        rate: Hz of the file.

    Raises:
        AudioFault: as audio.reading.stream_audio; faults late in the file are raised by `blocks`.
    """

    def __init__(self, path: Path | str):
        self._path = path
        with closing(stream_audio(path, device.BLOCK_SECONDS)) as stream:
            self.rate = next(stream).rate

    def blocks(self, seconds: float) -> Iterator[np.ndarray]:
        """The mean of the channels from the start of the file, in blocks (n,) float32 of `seconds`."""
        return (part.samples for part in stream_audio(self._path, seconds))


class Resampler:
    """Resamples a stream to the same values as audio.reading.resample does the whole waveform.

    Args:
        rate: Hz of the blocks.
        target: Hz of the result.
    """

    def __init__(self, rate: int, target: int):
        self._stream = None
        if rate != target:
            self._stream = soxr.ResampleStream(rate, target, 1, dtype="float32", quality="HQ")

    def push(self, block: np.ndarray) -> np.ndarray:
        """Takes the next samples (n,) float32; returns the resampled ones so far, (m,) float32."""
        return block if self._stream is None else self._stream.resample_chunk(block)

    def finish(self) -> np.ndarray:
        """Ends the stream; returns the remaining samples, (m,) float32."""
        none = np.zeros(0, np.float32)
        return none if self._stream is None else self._stream.resample_chunk(none, last=True)

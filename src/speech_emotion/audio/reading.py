"""Reads audio files, or refuses them with the reason.

WAV (8, 16, 24, 32 bit, float), FLAC, Ogg (Vorbis, Opus) and MP3 at 8 to 96 kHz, any number of channels. Which files
count as audio, and what is checked before they are decoded, is defined by the device's runtime (jetson/).
"""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from speech_emotion_jetson.errors import AudioFault
from speech_emotion_jetson.reading import MAX_RATE, MIN_RATE, NO_LENGTH, check_container, check_ogg_whole, mono

REASONS = (
    "missing", "empty", "not-audio", "wrong-format", "truncated", "no-samples", "not-finite", "silent",
    "too-short", "too-long", "sample-rate", "interval",
)  # fmt: skip

_LENGTH_UNKNOWN = 0xFFFFFFFF  # a WAV header's data size when it was written to a pipe


@dataclass(frozen=True)
class Audio:
    """The samples of a file between two times.

    Attributes:
        samples: (n,) float32, the mean of the channels; full scale is 1.
        rate: Hz, of the file.
        channels: number of channels of the file.
        start: seconds within the file, at a sample.
        end: seconds within the file, at a sample; end - start = n / rate.
    """

    samples: np.ndarray
    rate: int
    channels: int
    start: float
    end: float

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


def read_audio(
    path: Path | str, start: float = 0.0, end: float | None = None, max_seconds: float | None = None
) -> Audio:
    """Reads a file, or its part from `start` to `end` seconds.

    Ingest and preprocess both use this function, so the samples that are checked are those that are used.

    Args:
        path: of the file.
        start: seconds.
        end: seconds; None for the end of the file. For rounded times it may be up to one sample beyond the end.
        max_seconds: a longer part is refused before it is decoded; None for no limit.

    Raises:
        AudioFault: missing, empty, not-audio, wrong-format, truncated, no-samples, not-finite, too-long, sample-rate,
            or interval if [start, end] is not within the file.
    """
    path = Path(path)
    with _opened(path) as (file, container):
        rate, channels, frames = file.samplerate, file.channels, file.frames
        first, last = _bounds(path, rate, frames, start, end)
        if max_seconds is not None and last - first > max_seconds * rate:
            raise AudioFault(path, "too-long", f"{(last - first) / rate:.2f} s exceed {max_seconds:g} s")
        if container == "MP3":  # seeking in MP3 is not sample-exact
            block = file.read(last, dtype="float32", always_2d=True)[first:]
        else:
            file.seek(first)
            block = file.read(last - first, dtype="float32", always_2d=True)
    _check_count(path, len(block), last - first)
    return Audio(mono(path, block), rate, channels, first / rate, last / rate)


def stream_audio(path: Path | str, block_seconds: float) -> Iterator[Audio]:
    """Reads a file of any length block by block; memory does not grow with its length.

    The blocks have no gaps and no overlap; together they are what `read_audio` returns for the whole file.

    Args:
        path: of the file.
        block_seconds: length of a block, above 0; the last one may be shorter.

    Raises:
        AudioFault: as in read_audio, but during the iteration: a fault late in the file is found late.
    """
    path = Path(path)
    with _opened(path) as (file, _):
        rate, channels, frames = file.samplerate, file.channels, file.frames
        _bounds(path, rate, frames, 0.0, None)
        length, done = max(1, round(block_seconds * rate)), 0
        while len(block := file.read(min(length, frames - done), dtype="float32", always_2d=True)):
            yield Audio(mono(path, block), rate, channels, done / rate, (done + len(block)) / rate)
            done += len(block)
    _check_count(path, done, frames)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[soundfile.SoundFile, str]]:
    """The file, known to be whole as far as its container tells, and the container."""
    container = check_container(path)
    if container == "WAV":
        _check_wav_whole(path)
    elif container == "Ogg":
        check_ogg_whole(path)
    try:
        # as bytes: soundfile refuses names that are not UTF-8
        with (_Forwards if container == "MP3" else soundfile.SoundFile)(os.fsencode(path)) as file:
            yield file, container
    except soundfile.LibsndfileError as error:
        # WAV and Ogg were checked to be complete; in FLAC and MP3 only decoding shows missing data
        reason = "truncated" if container in ("FLAC", "MP3") else "not-audio"
        said = error.error_string.strip().rstrip(".")
        raise AudioFault(path, reason, f"cannot be decoded ({said})") from None


class _Forwards(soundfile.SoundFile):
    """A file that is only read forwards: soundfile seeks after each read, which is not exact in MP3."""

    def seekable(self) -> bool:
        return False


def _check_count(path: Path, decoded: int, promised: int) -> None:
    if decoded < promised:
        raise AudioFault(path, "truncated", f"the header promises {promised} samples, {decoded} could be decoded")


def check_audio(path: Path | str, audio: Audio, min_seconds: float, silence_dbfs: float) -> None:
    """Refuses audio that can be read but not used.

    Args:
        path: of the file, for the message.
        audio: the samples.
        min_seconds: shortest length.
        silence_dbfs: audio is silent if its peak, relative to the mean of the samples, is below this level in dBFS.

    Raises:
        AudioFault: too-short or silent.
    """
    if audio.seconds < min_seconds:
        raise AudioFault(path, "too-short", f"{audio.seconds:.4f} s are below {min_seconds:g} s")
    peak = float(np.abs(audio.samples - audio.samples.mean(dtype=np.float64)).max())
    if peak < 10 ** (silence_dbfs / 20):
        level = f"{20 * np.log10(peak):.1f} dBFS" if peak > 0 else "nothing at all"
        raise AudioFault(path, "silent", f"peak {level}, below {silence_dbfs:g} dBFS")


def resample(samples: np.ndarray, rate: int, target: int) -> np.ndarray:
    """Band-limited resampling (soxr, high quality).

    Args:
        samples: (n,) float32 at `rate` Hz.
        rate: Hz.
        target: Hz.

    Returns:
        (m,) float32 at `target` Hz; the samples themselves if the rates are equal.
    """
    if rate == target:
        return samples
    return soxr.resample(np.asarray(samples, dtype=np.float32), rate, target, quality="HQ")


def _check_wav_whole(path: Path) -> None:
    """Compares the size in the header of the data chunk with the file's size; libsndfile does not."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        magic = file.read(12)[:4]
        if magic in (b"RF64", b"BW64"):
            return  # sizes are 64-bit and elsewhere; the number of decoded samples is checked anyway
        layout = ">4sI" if magic == b"RIFX" else "<4sI"
        position = 12
        while position + 8 <= size:
            file.seek(position)
            chunk, length = struct.unpack(layout, file.read(8))
            position += 8
            if chunk == b"data":
                if length != _LENGTH_UNKNOWN and position + length > size:
                    raise AudioFault(
                        path, "truncated", f"the header promises {length} bytes, {size - position} are there"
                    )
                return
            position += length + length % 2
    raise AudioFault(path, "truncated", "ends within its header, before any samples")


def _bounds(path: Path, rate: int, frames: int, start: float, end: float | None) -> tuple[int, int]:
    """The first sample and the one after the last."""
    if not MIN_RATE <= rate <= MAX_RATE:
        raise AudioFault(path, "sample-rate", f"{rate} Hz: must lie within {MIN_RATE} and {MAX_RATE} Hz")
    if frames > NO_LENGTH:
        raise AudioFault(path, "not-audio", "its header does not tell how long it is: convert it to WAV")
    if frames == 0:
        raise AudioFault(path, "no-samples", "has a header and no samples")
    first = round(start * rate)
    last = frames if end is None else round(end * rate)
    if not 0 <= first < last <= frames + 1:
        shown = "the end" if end is None else f"{end:g} s"
        raise AudioFault(path, "interval", f"{start:g} s to {shown} is not within its {frames / rate:.4f} s")
    return first, min(last, frames)

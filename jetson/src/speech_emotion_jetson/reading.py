"""Reads audio files block by block, or refuses them with the reason.

WAV needs only numpy; FLAC, Ogg (Vorbis, Opus) and MP3 need the package soundfile.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Iterator

import numpy as np

from speech_emotion_jetson.errors import AudioFault
from speech_emotion_jetson.wav import read_blocks, read_header

ENDINGS = {
    ".wav": "WAV", ".wave": "WAV", ".flac": "FLAC", ".ogg": "Ogg", ".oga": "Ogg", ".opus": "Ogg",
    ".mp3": "MP3",
}  # fmt: skip
MIN_RATE, MAX_RATE = 8000, 96000  # Hz
MAX_CHANNELS = 64

NO_LENGTH = 2**62  # libsndfile returns more frames than this if a header gives no length
_TAIL = 65536 + 282  # longest Ogg page is 65,307 bytes
_MAGIC = {
    b"fLaC": "FLAC", b"OggS": "Ogg", b"ID3": "MP3", b".snd": "AU", b"NIST_1A": "NIST Sphere", b"caff": "CAF",
    b"riff": "Wave64", b"\x1a\x45\xdf\xa3": "Matroska or WebM", b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "gzip", b"%PDF": "PDF", b"<!DOCTYPE": "HTML", b"<html": "HTML",
}  # fmt: skip


class Source:
    """An audio file whose header has been checked; `blocks` may be called more than once.

    Args:
        path: of the file; its extension and its content must agree.
        max_seconds: longer files are refused before they are decoded; None means no limit.

    Attributes:
        rate: Hz.
        channels: of the file; `blocks` gives their mean.
        seconds: length of the recording.

    Raises:
        AudioFault: missing, empty, not-audio, wrong-format, truncated, no-samples, too-long, sample-rate, channels,
            encoding, or needs-soundfile.
    """

    def __init__(self, path: Path | str, max_seconds: float | None = None):
        self.path = Path(path)
        self._container = check_container(self.path)
        self._header = None
        if self._container == "WAV":
            try:
                self._header = read_header(self.path)
                self.rate, self.channels = self._header.rate, self._header.channels
                self._frames = self._header.frames
            except AudioFault as fault:
                if fault.reason != "encoding" or soundfile() is None:
                    raise
            except OSError as error:
                raise AudioFault(self.path, "missing", f"cannot be read ({error.strerror})") from None
        elif soundfile() is None:
            raise AudioFault(
                self.path, "needs-soundfile", f"{self._container} is read by the package soundfile: "
                "pip install soundfile, or convert it to WAV"
            )  # fmt: skip
        if self._container == "Ogg":
            check_ogg_whole(self.path)
        if self._header is None:
            with self._decoder() as file:
                self.rate, self.channels, self._frames = file.samplerate, file.channels, file.frames
        self._check(max_seconds)

    def _check(self, max_seconds: float | None) -> None:
        if not MIN_RATE <= self.rate <= MAX_RATE:
            raise AudioFault(self.path, "sample-rate", f"{self.rate} Hz: must be within {MIN_RATE} and {MAX_RATE} Hz")
        if self.channels > MAX_CHANNELS:
            raise AudioFault(self.path, "channels", f"{self.channels} channels: must be at most {MAX_CHANNELS}")
        if self._frames > NO_LENGTH:
            raise AudioFault(self.path, "not-audio", "its header does not tell how long it is: convert it to WAV")
        if self._frames == 0:
            raise AudioFault(self.path, "no-samples", "has a header and no samples")
        if max_seconds is not None and self.seconds > max_seconds:
            raise AudioFault(self.path, "too-long", f"{self.seconds:.1f} s exceed {max_seconds:g} s: cut it")

    @property
    def seconds(self) -> float:
        return self._frames / self.rate

    def blocks(self, seconds: float) -> Iterator[np.ndarray]:
        """The mean of the channels from the start of the file, in blocks (n,) float32 of `seconds`, full scale 1.

        Raises:
            AudioFault: truncated, not-audio or not-finite, found while decoding.
        """
        length = max(1, round(seconds * self.rate))
        if self._header is not None:
            for block in read_blocks(self.path, self._header, length):
                yield mono(self.path, block)
            return
        done = 0
        with self._decoder() as file:
            try:
                while len(block := file.read(min(length, self._frames - done), dtype="float32", always_2d=True)):
                    yield mono(self.path, block)
                    done += len(block)
            except soundfile().LibsndfileError as error:
                raise self._undecodable(error) from None
        if done < self._frames:
            detail = f"the header promises {self._frames} samples, {done} could be decoded"
            raise AudioFault(self.path, "truncated", detail)

    def _decoder(self) -> Any:
        library = soundfile()

        class Forwards(library.SoundFile):
            """soundfile seeks after each read, which is not exact in MP3."""

            def seekable(self) -> bool:
                return False

        try:
            return (Forwards if self._container == "MP3" else library.SoundFile)(os.fsencode(self.path))
        except library.LibsndfileError as error:
            raise self._undecodable(error) from None

    def _undecodable(self, error: Any) -> AudioFault:
        # WAV and Ogg have been checked for their end; FLAC and MP3 show only in decoding that they are truncated
        reason = "truncated" if self._container in ("FLAC", "MP3") else "not-audio"
        said = error.error_string.strip().rstrip(".")
        return AudioFault(self.path, reason, f"cannot be decoded ({said})")


def soundfile() -> Any:
    """The package soundfile, or None if it or its library is not installed."""
    try:
        import soundfile as library
    except (ImportError, OSError):
        return None
    return library


def formats() -> tuple[str, ...]:
    """The containers that this installation can read."""
    return tuple(dict.fromkeys(ENDINGS.values())) if soundfile() else ("WAV",)


def is_audio(path: Path | str) -> bool:
    """Whether a name has the extension of an audio file."""
    return os.path.splitext(path)[1].lower() in ENDINGS


def shown(path: Path | str) -> str:
    """A path as text that can be printed; bytes that are not UTF-8 become \\xNN."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def mono(path: Path, block: np.ndarray) -> np.ndarray:
    """The mean of the channels of a block (n, channels): (n,) float32, contiguous; raises AudioFault if not finite.

    Args:
        path: of the file, for the message.
        block: (n, channels) float32.
    """
    samples = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float64).astype(np.float32)
    if not np.isfinite(samples).all():
        count = int(np.count_nonzero(~np.isfinite(samples)))
        raise AudioFault(path, "not-finite", f"{count} of {len(samples)} samples are NaN or infinite")
    return np.ascontiguousarray(samples)


def check_container(path: Path) -> str:
    """The container of a file, "WAV", "FLAC", "Ogg" or "MP3"; raises AudioFault if extension and content disagree."""
    try:
        with open(path, "rb") as file:
            head = file.read(16)
    except FileNotFoundError:
        raise AudioFault(path, "missing", "no such file") from None
    except OSError as error:
        raise AudioFault(path, "missing", f"cannot be opened ({error.strerror})") from None
    if not head:
        raise AudioFault(path, "empty", "holds no byte")
    named, content = ENDINGS.get(path.suffix.lower()), content_type(head)
    if named is None:
        raise AudioFault(path, "not-audio", f"ending {path.suffix!r} is none of {', '.join(ENDINGS)}")
    if content is None:
        raise AudioFault(path, "not-audio", f"named {path.suffix}, but begins like no audio that is known")
    if content != named:
        readable = next((ending for ending, name in ENDINGS.items() if name == content), None)
        cure = f"rename it to {readable}" if readable else f"convert it to {named}"
        raise AudioFault(path, "wrong-format", f"named {path.suffix}, but its content is {content}: {cure}")
    return named


def content_type(head: bytes) -> str | None:
    """The file type by the first bytes (12 or more) of a file: WAV, FLAC, Ogg, MP3, another name, or None."""
    if head[:4] in (b"RIFF", b"RF64", b"BW64", b"RIFX"):
        return "WAV" if head[8:12] == b"WAVE" else "RIFF that is no WAV"
    if head[:4] == b"FORM":
        return "AIFF"
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            return name
    if head[4:8] == b"ftyp":
        return "MP4 or M4A"
    # MP3 without a tag: sync bits and layer III, then a bit rate and a sample rate that exist
    layer_iii = len(head) > 2 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2
    return "MP3" if layer_iii and head[2] >> 4 != 15 and head[2] & 12 != 12 else None


def check_ogg_whole(path: Path) -> None:
    """Raises AudioFault unless an Ogg file ends with a whole page that is marked as the last (RFC 3533, section 6)."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        file.seek(max(0, size - _TAIL))
        tail = file.read()
    at = tail.rfind(b"OggS")
    whole = at >= 0 and len(tail) >= at + 27 and tail[at + 5] & 4
    if whole:
        segments = tail[at + 26]
        body = at + 27 + segments
        whole = len(tail) >= body and len(tail) >= body + sum(tail[at + 27 : body])
    if not whole:
        raise AudioFault(path, "truncated", "ends before the stream's last page does")

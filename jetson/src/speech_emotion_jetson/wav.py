"""Reads WAV block by block: 8 to 32 bit, float, A-law and mu-law, plain and extensible, RIFF, RIFX and RF64.

The standard library's `wave` does not read float, A-law, mu-law or extensible headers, which recorders do write.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Iterator

import numpy as np

from speech_emotion_jetson.errors import AudioFault

CUT_HEADER = "ends within its header, before any samples"
LENGTH_UNKNOWN = 0xFFFFFFFF  # size of the data chunk if the file was written to a pipe, and in RF64
PCM, FLOAT, A_LAW, MU_LAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
ENCODINGS = {
    (PCM, 8): "u8", (PCM, 16): "s16", (PCM, 24): "s24", (PCM, 32): "s32",
    (FLOAT, 32): "f32", (FLOAT, 64): "f64", (A_LAW, 8): "alaw", (MU_LAW, 8): "ulaw",
}  # fmt: skip
WIDTHS = {"u8": 1, "s16": 2, "s24": 3, "s32": 4, "f32": 4, "f64": 8, "alaw": 1, "ulaw": 1}  # bytes per sample


@dataclass(frozen=True)
class Header:
    """The header of a WAV file.

    Attributes:
        rate: Hz.
        channels: interleaved.
        encoding: one of WIDTHS.
        offset: of the first sample, in bytes from the start of the file.
        frames: samples of each channel.
        big_endian: whether the most significant byte of a sample comes first.
    """

    rate: int
    channels: int
    encoding: str
    offset: int
    frames: int
    big_endian: bool


def read_header(path: Path) -> Header:
    """Reads the chunks up to the samples, and checks that all samples are there.

    Args:
        path: of the file.

    Raises:
        AudioFault: truncated, not-audio, or encoding for one that is not supported.
    """
    with open(path, "rb") as file:
        return _parse(path, file, os.fstat(file.fileno()).st_size)


def _parse(path: Path, file: BinaryIO, size: int) -> Header:
    magic = file.read(12)[:4]
    order = ">" if magic == b"RIFX" else "<"
    form, long_data = None, None
    position = 12
    while position + 8 <= size:
        file.seek(position)
        chunk, length = struct.unpack(order + "4sI", file.read(8))
        position += 8
        if chunk == b"ds64" and length >= 24:
            long_data = struct.unpack("<8xQ", _whole(path, file, 16))[0]
        elif chunk == b"fmt ":
            form = _form(path, _whole(path, file, min(length, 40)), order)
        elif chunk == b"data":
            if form is None:
                raise AudioFault(path, "not-audio", "its data chunk comes before its fmt chunk: convert it to WAV")
            if length == LENGTH_UNKNOWN:
                length = size - position if long_data is None else long_data
            if position + length > size:
                detail = f"the header promises {length} bytes, {size - position} are there"
                raise AudioFault(path, "truncated", detail)
            rate, channels, encoding = form
            return Header(rate, channels, encoding, position, length // (WIDTHS[encoding] * channels), order == ">")
        position += length + length % 2
    raise AudioFault(path, "truncated", CUT_HEADER)


def _whole(path: Path, file: BinaryIO, size: int) -> bytes:
    """Reads `size` bytes of a header; raises AudioFault if the file ends before."""
    content = file.read(size)
    if len(content) < size:
        raise AudioFault(path, "truncated", CUT_HEADER)
    return content


def _form(path: Path, chunk: bytes, order: str) -> tuple[int, int, str]:
    """Rate, channels and encoding."""
    if len(chunk) < 16:
        raise AudioFault(path, "truncated", CUT_HEADER)
    tag, channels, rate, _, align, bits = struct.unpack(order + "HHIIHH", chunk[:16])
    if tag == EXTENSIBLE and len(chunk) >= 26:
        tag = struct.unpack(order + "H", chunk[24:26])[0]
    encoding = ENCODINGS.get((tag, bits))
    if encoding is None or not channels or align != channels * bits // 8:
        raise AudioFault(path, "encoding", f"WAV of kind {tag} with {bits} bit: convert it to 16 bit PCM")
    return rate, channels, encoding


def read_blocks(path: Path, header: Header, frames: int) -> Iterator[np.ndarray]:
    """The samples in blocks (n, channels) float32, full scale 1.

    Args:
        path: of the file.
        header: of the file.
        frames: n of each block but the last, which may be shorter.

    Raises:
        AudioFault: truncated since the header was read.
    """
    wide = WIDTHS[header.encoding] * header.channels
    left = header.frames
    with open(path, "rb") as file:
        file.seek(header.offset)
        while left:
            content = file.read(min(frames, left) * wide)
            count = len(content) // wide
            if not count:
                raise AudioFault(path, "truncated", f"{left} of {header.frames} samples are not there")
            yield decode(content[: count * wide], header.encoding, header.channels, header.big_endian)
            left -= count


def decode(content: bytes, encoding: str, channels: int, big_endian: bool = False) -> np.ndarray:
    """Decodes interleaved samples to (n, channels) float32, full scale 1.

    Args:
        content: bytes of whole frames.
        encoding: one of WIDTHS.
        channels: interleaved.
        big_endian: whether the most significant byte of a sample comes first.
    """
    order = ">" if big_endian else "<"
    if encoding == "u8":
        samples = (np.frombuffer(content, "u1").astype(np.float32) - 128) / 128
    elif encoding == "s16":
        samples = np.frombuffer(content, order + "i2").astype(np.float32) / 2**15
    elif encoding == "s24":
        triples = np.frombuffer(content, "u1").reshape(-1, 3).astype(np.int32)
        low, middle, high = triples.T if not big_endian else triples.T[::-1]
        samples = (low << 8 | middle << 16 | high << 24).astype(np.float32) / 2**31
    elif encoding == "s32":
        samples = (np.frombuffer(content, order + "i4") / 2**31).astype(np.float32)
    elif encoding in ("f32", "f64"):
        with np.errstate(over="ignore"):
            samples = np.frombuffer(content, order + encoding.replace("f32", "f4").replace("f64", "f8"))
            samples = samples.astype(np.float32)
    else:
        samples = _law(encoding)[np.frombuffer(content, "u1")]
    return samples.reshape(-1, channels)


@lru_cache(maxsize=2)
def _law(encoding: str) -> np.ndarray:
    """The values (256,) of A-law or mu-law, ITU-T G.711."""
    codes = np.arange(256)
    if encoding == "alaw":
        codes = codes ^ 0x55
        exponent, mantissa = (codes >> 4) & 7, codes & 15
        size = np.where(exponent == 0, (mantissa << 4) + 8, ((mantissa << 4) + 0x108) << np.maximum(exponent - 1, 0))
        values = np.where(codes & 0x80, size, -size)
    else:
        codes = ~codes & 0xFF
        size = (((codes & 15) << 3) + 0x84 << ((codes >> 4) & 7)) - 0x84
        values = np.where(codes & 0x80, -size, size)
    return (values / 2**15).astype(np.float32)

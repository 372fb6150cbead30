"""Raw samples from a pipe, block by block."""

from __future__ import annotations

from typing import BinaryIO, Iterator

import numpy as np

from speech_emotion_jetson.errors import UserError
from speech_emotion_jetson.reading import MAX_CHANNELS, MAX_RATE, MIN_RATE
from speech_emotion_jetson.recogniser import checked
from speech_emotion_jetson.wav import WIDTHS, decode

BLOCK_SECONDS = 0.1


def check_rate(rate: int) -> None:
    """Raises UserError if a rate, in Hz, is out of range."""
    if not MIN_RATE <= rate <= MAX_RATE:
        raise UserError(f"--rate = {rate}: must be within {MIN_RATE} and {MAX_RATE} Hz")


def raw_blocks(stream: BinaryIO, rate: int, channels: int, encoding: str) -> Iterator[np.ndarray]:
    """The mean of the channels of interleaved little-endian samples, (n,) float32 each, until the stream ends.

    Args:
        stream: binary; available bytes are taken at once, so that answers do not wait for a full block.
        rate: Hz.
        channels: interleaved, 1 to 64.
        encoding: one of wav.WIDTHS.

    Raises:
        UserError: rate or channels are out of range, or the samples do not look like this encoding.
    """
    check_rate(rate)
    if not 1 <= channels <= MAX_CHANNELS:
        raise UserError(f"--channels = {channels}: must be within 1 and {MAX_CHANNELS}")
    wide = WIDTHS[encoding] * channels
    most = max(1, round(BLOCK_SECONDS * rate)) * wide
    left = b""
    read = getattr(stream, "read1", stream.read)
    while True:
        content = read(most)
        if not content:
            return
        content = left + content
        whole = len(content) // wide * wide
        content, left = content[:whole], content[whole:]
        if content:
            try:
                yield checked(decode(content, encoding, channels))
            except UserError as error:
                raise UserError(f"{error}; if the samples are not {encoding}, change --encoding") from None

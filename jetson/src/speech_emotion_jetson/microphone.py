"""A live microphone through `arecord` of alsa-utils, so that no further library is needed."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from typing import Callable, Iterator

import numpy as np

from speech_emotion_jetson.errors import UserError
from speech_emotion_jetson.wav import decode

BLOCK_SECONDS = 0.1
QUIET_SECONDS = 5.0  # a microphone that sends nothing for this long counts as disconnected
WAITS = (1.0, 2.0, 5.0, 10.0)  # seconds before each new attempt; the last value is repeated


class MicrophoneGone(Exception):
    """The microphone cannot be opened, or has stopped; another attempt may succeed."""


def listen(
    device: str,
    rate: int,
    tell: Callable[[str], None],
    retries: int | None = None,
    wait: Callable[[float], None] = time.sleep,
) -> Iterator[Iterator[np.ndarray]]:
    """Opens the microphone, and opens it again whenever it disconnects.

    Args:
        device: ALSA's name, as `arecord -L` lists them.
        rate: Hz.
        tell: prints a line about what went wrong and what happens next.
        retries: failed attempts in a row before giving up; None means no limit.
        wait: sleeps for a number of seconds.

    Yields:
        For each connection an iterator of its blocks, (n,) float32 each, which ends when the connection breaks.

    Raises:
        UserError: arecord is not installed, or the retries are used up.
    """
    program = shutil.which("arecord")
    if program is None:
        raise UserError("arecord: is not there: apt-get install alsa-utils")
    failed = 0
    while True:
        heard = False

        def blocks(source: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
            nonlocal heard
            for block in source:
                heard = True
                yield block

        with _recording(program, device, rate) as source:
            yield _until_gone(blocks(source), tell, device)
        failed = 0 if heard else failed + 1
        if retries is not None and failed > retries:
            raise UserError(f"microphone = {device}: could not be opened: choose one that `arecord -L` lists: --device")
        pause = WAITS[min(failed, len(WAITS) - 1)]
        tell(f"microphone {device}: trying again in {pause:g} s")
        wait(pause)


def _until_gone(blocks: Iterator[np.ndarray], tell: Callable[[str], None], device: str) -> Iterator[np.ndarray]:
    """The blocks until the microphone disconnects, which is reported by `tell`."""
    try:
        yield from blocks
    except MicrophoneGone as error:
        tell(f"microphone {device}: {error}")


@contextmanager
def _recording(program: str, device: str, rate: int) -> Iterator[Iterator[np.ndarray]]:
    command = [program, "--quiet", "--device", device, "--format", "S16_LE", "--channels", "1", "--rate", str(rate)]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [*command, "--file-type", "raw"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said
        )
        try:
            yield _blocks(process, said, round(BLOCK_SECONDS * rate) * 2)
        finally:
            process.terminate()
            try:
                process.wait(QUIET_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()


def _blocks(process: subprocess.Popen, said, size: int) -> Iterator[np.ndarray]:
    left = b""
    while True:
        ready, _, _ = select.select([process.stdout], [], [], QUIET_SECONDS)
        if not ready:
            raise MicrophoneGone(f"has sent nothing for {QUIET_SECONDS:g} s")
        content = os.read(process.stdout.fileno(), size)
        if not content:
            process.wait()
            said.seek(0)
            lines = said.read(4096).decode("utf-8", "replace").strip().splitlines()
            raise MicrophoneGone(f"is gone ({lines[-1].strip() if lines else 'arecord has ended'})")
        content = left + content
        whole = len(content) // 2 * 2
        content, left = content[:whole], content[whole:]
        yield decode(content, "s16", 1)[:, 0]

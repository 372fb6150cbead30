"""A microphone that disconnects and reconnects, simulated by a program in place of arecord."""

import os
import subprocess

import numpy as np
import pytest

from speech_emotion_jetson import microphone
from speech_emotion_jetson.errors import UserError
from speech_emotion_jetson.microphone import listen


@pytest.fixture
def arecord(tmp_path, monkeypatch):
    """Replaces arecord by a shell program."""

    def install(program):
        path = tmp_path / "bin/arecord"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{program}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}{os.environ['PATH']}")
        return path

    return install


def heard(connections, count):
    """The samples of the first `count` connections."""
    found = []
    for blocks in connections:
        found.append(np.concatenate([np.zeros(0), *blocks]))
        if len(found) == count:
            return found
    raise AssertionError("ended")


def test_samples_are_those_that_arecord_writes(arecord, tmp_path):
    values = np.arange(-8000, 8000, dtype="<i2")
    (tmp_path / "sound").write_bytes(values.tobytes())
    arecord(f'echo "$@" > {tmp_path}/asked; cat {tmp_path}/sound')
    (samples,) = heard(listen("hw:1", 16000, [].append, wait=lambda seconds: None), 1)
    np.testing.assert_allclose(samples, values / 2**15)
    asked = (tmp_path / "asked").read_text()
    assert "--device hw:1 --format S16_LE --channels 1 --rate 16000 --file-type raw" in asked


def test_a_disconnection_is_reported_and_the_microphone_opened_again(arecord):
    arecord("head -c 3200 /dev/zero; echo 'arecord: pcm_read:2221: read error: No such device' >&2; exit 1")
    told, waits = [], []
    samples = heard(listen("default", 16000, told.append, wait=waits.append), 3)
    assert [len(one) for one in samples] == [1600, 1600, 1600]
    assert told[0] == "microphone default: is gone (arecord: pcm_read:2221: read error: No such device)"
    assert told[1] == "microphone default: trying again in 1 s"
    assert waits == [1.0, 1.0]  # it worked in between


def test_waits_between_failed_attempts_grow(arecord):
    arecord("echo 'arecord: main:831: audio open error: No such file or directory' >&2; exit 1")
    waits = []
    heard(listen("default", 16000, [].append, wait=waits.append), 6)
    assert waits == [2.0, 5.0, 10.0, 10.0, 10.0]


def test_after_the_last_retry_the_cure_is_named(arecord):
    arecord("exit 1")
    with pytest.raises(UserError, match="microphone = hw:9: could not be opened: choose one that `arecord -L` lists"):
        heard(listen("hw:9", 16000, [].append, retries=2, wait=lambda seconds: None), 9)


def test_a_silent_microphone_counts_as_disconnected_and_its_program_is_stopped(arecord, tmp_path, monkeypatch):
    monkeypatch.setattr(microphone, "QUIET_SECONDS", 0.2)
    arecord(f"echo $$ > {tmp_path}/pid; exec sleep 1000")
    told = []
    heard(listen("default", 16000, told.append, wait=lambda seconds: None), 2)
    assert told[0] == "microphone default: has sent nothing for 0.2 s"
    pid = (tmp_path / "pid").read_text().strip()
    assert subprocess.run(["ps", "-o", "stat=", "-p", pid], capture_output=True, text=True).stdout.strip() in ("", "Z")


def test_without_arecord_the_cure_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="arecord: is not there: apt-get install alsa-utils"):
        next(listen("default", 16000, [].append))

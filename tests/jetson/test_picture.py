"""Outline and spectrogram in a bounded number of columns."""

import base64

import numpy as np
import pytest

from speech_emotion_jetson.picture import BANDS, COLUMNS, LOW_HZ, Picture

RATE = 16000


def picture(samples, block=1000):
    found = Picture(RATE)
    for at in range(0, len(samples), block):
        found.push(samples[at : at + block])
    return found.finish()


def image(found):
    return np.frombuffer(base64.b64decode(found["image"]), np.uint8).reshape(found["bands"], found["columns"])


def tone(hertz, seconds=1.0, level=0.5):
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


@pytest.mark.parametrize("hertz", [100, 440, 1000, 3000, 7000])
def test_a_tone_is_brightest_at_its_pitch(hertz):
    found = picture(tone(hertz))
    row = image(found).astype(int).sum(axis=1).argmax()
    edges = np.linspace(*(2595 * np.log10(1 + np.array([LOW_HZ, RATE / 2]) / 700)), BANDS + 2)
    own = np.abs(edges[1:-1] - 2595 * np.log10(1 + hertz / 700)).argmin()
    assert abs((BANDS - 1 - row) - own) <= 1


def test_the_outline_holds_the_extremes():
    samples = tone(50)
    samples[8000] = -0.9
    found = picture(samples)
    assert max(found["high"]) == pytest.approx(0.5, abs=1e-3)
    assert min(found["low"]) == pytest.approx(-0.9, abs=1e-3)
    assert int(np.argmin(found["low"])) == 50


@pytest.mark.parametrize("block", [1, 7, 160, 16000])
def test_the_picture_does_not_depend_on_blocks(block):
    samples = tone(440, 0.05)
    assert picture(samples, block) == picture(samples, len(samples))


@pytest.mark.parametrize("seconds", [0.0001, 0.01, 1.0, 12.0, 30.0, 100.0])
def test_columns_are_bounded_and_cover_the_whole(seconds):
    found = picture(tone(200, seconds), 16000)
    assert found["columns"] <= 2 * COLUMNS
    assert len(found["low"]) == len(found["high"]) == found["columns"]
    assert image(found).shape == (BANDS, found["columns"])
    assert found["columns"] * found["seconds_each"] >= found["seconds"] - 1e-6
    assert (found["columns"] - 1) * found["seconds_each"] <= found["seconds"]


def test_a_click_in_a_long_recording_is_still_seen():
    samples = np.zeros(60 * RATE, np.float32)
    samples[30 * RATE] = 1.0
    found = picture(samples, 16000)
    at = int(np.argmax(found["high"]))
    assert found["high"][at] == 1.0
    assert at * found["seconds_each"] == pytest.approx(30, abs=2 * found["seconds_each"])


def test_silence_is_dark_and_without_samples_there_are_no_columns():
    assert image(picture(np.zeros(RATE, np.float32))).max() == 0
    assert picture(np.zeros(0, np.float32))["columns"] == 0

"""Streamed blocks give the same windows as training takes from the whole waveform."""

import numpy as np
import pytest

from speech_emotion.audio.levels import set_level
from speech_emotion.audio.reading import resample
from speech_emotion.features.extraction import repeat_to
from speech_emotion.inference.recogniser import Resampler
from speech_emotion.learning.windows import window_starts
from speech_emotion_jetson.streaming import Cutter, prepared


def blocks_of(waveform, size):
    return lambda: (waveform[start : start + size] for start in range(0, len(waveform), size))


def cut(waveform, size, window, hop, step, least=0):
    cutter = Cutter(window, hop, step, least)
    found = [pair for block in blocks_of(waveform, size)() for pair in cutter.push(block)]
    return found + list(cutter.finish())


@pytest.mark.parametrize("least", [0, 1700])
@pytest.mark.parametrize("size", [7, 160, 999, 100000])
@pytest.mark.parametrize("length", [1, 900, 999, 1000, 1001, 1159, 1160, 1300, 1400, 1401, 1699, 1700, 5000, 5559])
def test_windows_are_those_of_training_for_any_blocks(length, size, least):
    window, hop, step, frame = 1000, 320, 160, 200  # windows of six frames, two apart
    waveform = np.arange(1, length + 1, dtype=np.float32)
    whole = repeat_to(waveform, max(window, least))
    frames = 1 + (len(whole) - frame) // step
    expected = [start * step for start in window_starts(frames, 6, 2)]
    found = cut(waveform, size, window, hop, step, least)
    assert [start for start, _ in found] == expected
    for start, samples in found:
        np.testing.assert_array_equal(samples, whole[start : start + window])


def test_no_samples_give_no_window():
    assert cut(np.zeros(0, np.float32), 10, 1000, 320, 160) == []


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 96000])
@pytest.mark.parametrize("level", ["none", "peak", "rms"])
def test_blocks_are_resampled_and_levelled_as_the_whole_is(rate, level):
    waveform = np.random.default_rng(0).standard_normal(rate).astype(np.float32) / 5
    found = np.concatenate(list(prepared(blocks_of(waveform, 1237), rate, 16000, level, -26.0, Resampler)))
    np.testing.assert_allclose(found, set_level(resample(waveform, rate, 16000), level, -26.0), atol=1e-6)


@pytest.mark.parametrize("level", ["none", "peak", "rms"])
def test_digital_silence_stays_silent_at_any_level(level):
    found = np.concatenate(list(prepared(blocks_of(np.zeros(500, np.float32), 100), 16000, 16000, level, -26.0)))
    np.testing.assert_array_equal(found, np.zeros(500))

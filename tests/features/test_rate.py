"""Speech rate on synthetic syllables of known number."""

import numpy as np
import pytest

from speech_emotion.features.rate import speech_rate

RATE = 16000


def syllables(voice, count: int, seconds: float) -> np.ndarray:
    time = np.arange(int(seconds * RATE)) / RATE
    envelope = np.sin(np.pi * count * time / seconds) ** 2
    return voice(np.full(len(time), 120.0), (600, 1300)) * envelope


@pytest.mark.parametrize("count", [3, 5, 8])
def test_syllables_per_second_are_counted(count, voice):
    assert speech_rate(syllables(voice, count, 2.0), RATE, 400, 160) == pytest.approx(count / 2.0)


def test_unvoiced_bursts_are_not_nuclei(voice):
    hiss = np.random.default_rng(0).standard_normal(2 * RATE)
    envelope = np.sin(np.pi * 4 * np.arange(2 * RATE) / (2 * RATE)) ** 2
    assert speech_rate(0.1 * hiss * envelope, RATE, 400, 160) == 0


def test_rate_does_not_depend_on_the_level(voice):
    samples = syllables(voice, 5, 2.0)
    assert speech_rate(0.01 * samples, RATE, 400, 160) == speech_rate(samples, RATE, 400, 160)


@pytest.mark.parametrize("samples", [np.zeros(8000), np.full(400, 0.1)], ids=["silence", "one constant frame"])
def test_without_speech_the_rate_is_zero(samples):
    assert speech_rate(samples, RATE, 400, 160) == 0


def test_real_speech_has_a_plausible_rate(utterances):
    for samples in utterances:
        assert 1.5 < speech_rate(samples.astype(np.float64), RATE, 400, 160) < 9

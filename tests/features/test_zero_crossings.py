"""Zero-crossing rate compared with librosa and with a count."""

import numpy as np
import pytest

from speech_emotion.compiled import librosa
from speech_emotion.features.zero_crossings import zero_crossing_rate


def assert_agrees(samples, frame=400, hop=160):
    ours = zero_crossing_rate(samples.astype(np.float64), frame, hop)
    theirs = librosa().feature.zero_crossing_rate(samples, frame_length=frame, hop_length=hop, center=False)
    assert ours.shape == (1 + (len(samples) - frame) // hop, 1)
    assert ours.max() > 0
    np.testing.assert_allclose(ours[:, 0], theirs[0], rtol=0, atol=1e-6)


def test_agrees_with_librosa_on_a_synthetic_signal(synthetic):
    assert_agrees(synthetic)


@pytest.mark.parametrize(("frame", "hop"), [(333, 701), (50, 1), (19200, 160)])
def test_agrees_with_librosa_at_other_settings(frame, hop, synthetic):
    assert_agrees(synthetic, frame, hop)


def test_agrees_with_librosa_near_zero():
    assert_agrees(np.random.default_rng(0).normal(0, 2e-10, 4000).astype(np.float64))


def test_agrees_with_librosa_on_real_speech(utterances):
    for samples in utterances:
        assert_agrees(samples)


def test_a_sine_crosses_zero_twice_per_period():
    sine = np.sin(2 * np.pi * 1000 * np.arange(8000) / 16000 + 0.1)
    np.testing.assert_allclose(zero_crossing_rate(sine, 400, 160), 2 * 1000 / 16000, atol=1 / 400)


def test_silence_has_no_crossings():
    assert not zero_crossing_rate(np.zeros(1000), 400, 160).any()

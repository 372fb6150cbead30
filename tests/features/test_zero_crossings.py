"""Zero-crossing rate against librosa and against a count."""

import numpy as np

from speech_emotion.compiled import librosa
from speech_emotion.features.zero_crossings import zero_crossing_rate


def assert_agrees(samples):
    ours = zero_crossing_rate(samples.astype(np.float64), 400, 160)
    theirs = librosa().feature.zero_crossing_rate(samples, frame_length=400, hop_length=160, center=False)
    assert ours.shape == (1 + (len(samples) - 400) // 160, 1)
    assert ours.max() > 0
    np.testing.assert_allclose(ours[:, 0], theirs[0], rtol=0, atol=1e-3)


def test_agrees_with_librosa_on_a_synthetic_signal(synthetic):
    assert_agrees(synthetic)


def test_agrees_with_librosa_on_real_speech(utterances):
    for samples in utterances:
        assert_agrees(samples)


def test_sine_crosses_zero_twice_a_period():
    sine = np.sin(2 * np.pi * 1000 * np.arange(8000) / 16000 + 0.1)
    np.testing.assert_allclose(zero_crossing_rate(sine, 400, 160), 2 * 1000 / 16000, atol=1 / 400)


def test_silence_crosses_nothing():
    assert not zero_crossing_rate(np.zeros(1000), 400, 160).any()

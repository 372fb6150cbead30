"""Formants of vowels with known resonances."""

import numpy as np
import pytest

from speech_emotion.compiled import librosa
from speech_emotion.features.formants import formants

RATE = 16000


@pytest.mark.parametrize("known", [(700, 1200, 2600), (300, 2200, 3000), (400, 900, 2500)])
def test_resonances_of_a_synthetic_vowel_are_found(known, voice):
    vowel = voice(np.full(16000, 100.0), known)
    found = np.median(formants(vowel, RATE, 400, 160, 3), axis=0)
    np.testing.assert_allclose(found, known, rtol=0, atol=50)  # half the distance of the harmonics, which attract LPC


def test_frequencies_ascend_and_missing_ones_are_zero_at_the_end(synthetic):
    found = formants(synthetic.astype(np.float64), RATE, 400, 160, 5)
    assert found.shape == (1 + (len(synthetic) - 400) // 160, 5)
    assert np.isfinite(found).all()
    for row in found:
        there = row[row > 0]
        assert (row[: len(there)] > 0).all()
        assert (np.diff(there) > 0).all()
        assert not there.size or (there[0] > 90 and there[-1] < RATE / 2)


@pytest.mark.parametrize(
    "samples",
    [np.zeros(2000), np.full(2000, 0.5), np.eye(1, 2000, 700)[0], np.full(2000, 1e-7)],
    ids=["zeros", "constant", "click", "faint"],
)
def test_silence_and_degenerate_signals_are_finite(samples):
    assert np.isfinite(formants(samples, RATE, 400, 160, 3)).all()


def test_silence_has_none():
    assert not formants(np.zeros(2000), RATE, 400, 160, 3).any()


def test_formants_of_loud_real_speech_are_plausible(utterances):
    for samples in utterances:
        found = formants(samples.astype(np.float64), RATE, 400, 160, 3)
        power = (librosa().util.frame(samples, frame_length=400, hop_length=160, axis=0) ** 2).mean(axis=1)
        first, second, third = np.median(found[power > np.percentile(power, 60)], axis=0)
        assert 250 < first < 900
        assert 1000 < second < 2300
        assert 2200 < third < 3500

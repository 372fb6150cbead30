"""Augmented copies: their changes, and the keys of their random draws."""

from pathlib import Path

import numpy as np
import pytest

from speech_emotion.audio.augmentation import add_noise, augment, shift_pitch, stretch_time
from speech_emotion.compiled import librosa
from speech_emotion.params import load_params

RATE = 16000
PARAMS = load_params(Path(__file__).parents[2] / "params.yaml").augment


def sine(hertz=300.0, seconds=1.0):
    return (0.2 * np.sin(2 * np.pi * hertz * np.arange(int(RATE * seconds)) / RATE)).astype(np.float32)


def strongest(samples):
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), n=2**17))
    return spectrum.argmax() * RATE / 2**17


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.25])
def test_stretch_changes_length_and_keeps_pitch(factor):
    found = stretch_time(sine(), factor)
    assert len(found) == pytest.approx(RATE / factor, abs=1)
    assert strongest(found) == pytest.approx(300, rel=0.01)


@pytest.mark.parametrize("semitones", [-2.0, 0.0, 1.5, 12.0])
def test_shift_changes_pitch_and_keeps_length(semitones):
    found = shift_pitch(sine(), RATE, semitones)
    assert len(found) == RATE
    assert strongest(found) == pytest.approx(300 * 2 ** (semitones / 12), rel=0.01)


@pytest.mark.parametrize("snr_db", [0.0, 15.0, 30.0])
def test_noise_has_the_given_snr(snr_db):
    samples = sine(seconds=4.0)
    noise = add_noise(samples, snr_db, np.random.default_rng(0)) - samples
    measured = 10 * np.log10(np.mean(samples**2.0) / np.mean(noise**2.0))
    assert measured == pytest.approx(snr_db, abs=0.15)
    assert librosa().feature.spectral_flatness(y=noise).mean() > 0.4  # white


def test_silence_gets_no_noise():
    assert not add_noise(np.zeros(100, dtype=np.float32), 15.0, np.random.default_rng(0)).any()


def test_copy_is_the_same_each_time_and_differs_by_number_id_and_seed():
    samples = sine()
    first = augment(samples, RATE, "a", 1, PARAMS)
    np.testing.assert_array_equal(augment(samples, RATE, "a", 1, PARAMS), first)
    others = [
        augment(samples, RATE, "a", 2, PARAMS),
        augment(samples, RATE, "b", 1, PARAMS),
        augment(samples, RATE, "a", 1, PARAMS.model_copy(update={"seed": 1})),
    ]
    for other in others:
        assert len(other) != len(first) or not np.allclose(other, first)


def test_the_global_random_state_is_not_used():
    np.random.seed(1)
    first = augment(sine(), RATE, "a", 1, PARAMS)
    np.random.seed(2)
    np.testing.assert_array_equal(augment(sine(), RATE, "a", 1, PARAMS), first)


def test_draws_fill_the_ranges_of_params():
    wide = PARAMS.model_copy(update={"stretch": [0.5, 2.0], "pitch_semitones": [0.0, 0.0], "snr_db": [60.0, 60.0]})
    factors = [4000 / len(augment(sine(seconds=0.25), RATE, "a", copy, wide)) for copy in range(1, 61)]
    assert 0.49 < min(factors) < 0.6
    assert 1.85 < max(factors) < 2.01


def test_range_of_one_value_is_that_value():
    fixed = PARAMS.model_copy(update={"stretch": [1.0, 1.0], "pitch_semitones": [3.0, 3.0], "snr_db": [60.0, 60.0]})
    found = augment(sine(), RATE, "a", 1, fixed)
    assert found.dtype == np.float32
    assert len(found) == RATE
    assert strongest(found) == pytest.approx(300 * 2 ** (3 / 12), rel=0.01)


@pytest.mark.parametrize("length", [1, 50, 700, 1600])
def test_short_waveforms_give_finite_copies(length):
    found = augment(np.full(length, 0.1, dtype=np.float32), RATE, "a", 1, PARAMS)
    assert found.size > 0
    assert np.isfinite(found).all()


def test_real_speech_keeps_its_level(corpora):
    import soundfile

    samples, rate = soundfile.read(corpora / "emodb" / "wav" / "03a01Fa.wav", dtype="float32")
    for copy in (1, 2):
        found = augment(samples, rate, "emodb/wav/03a01Fa", copy, PARAMS)
        assert len(found) / len(samples) == pytest.approx(1.0, abs=0.12)
        assert 10 * np.log10(np.mean(found**2) / np.mean(samples**2)) == pytest.approx(0, abs=0.2)

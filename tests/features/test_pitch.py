"""Pitch compared with librosa's and with synthetic voices of known pitch."""

import numpy as np
import pytest

from speech_emotion.compiled import librosa
from speech_emotion.features.pitch import pitch

RATE = 16000
SETTINGS = {"frame": 1024, "hop": 160, "fmin": 60.0, "fmax": 500.0}


def assert_agrees(samples: np.ndarray, rate: int = RATE, **settings: float) -> None:
    settings = SETTINGS | settings
    samples = samples.astype(np.float64)
    f0, voicing = pitch(samples, rate, **settings)
    theirs, voiced, probability = librosa().pyin(
        samples,
        sr=rate,
        fmin=settings["fmin"],
        fmax=settings["fmax"],
        frame_length=settings["frame"],
        hop_length=settings["hop"],
        center=False,
    )
    assert f0.shape == voicing.shape == theirs.shape
    assert voiced.sum() > 20
    # rounding may decide between two equally good paths or troughs
    assert ((f0 > 0) == voiced).mean() >= 0.995
    assert np.isclose(f0[voiced], theirs[voiced], rtol=1e-6).mean() >= 0.995
    assert np.isclose(voicing, probability, rtol=0, atol=1e-6).mean() >= 0.995


def test_agrees_with_librosa_on_a_synthetic_signal(synthetic):
    assert_agrees(synthetic)


def test_agrees_with_librosa_on_samples_that_are_exactly_zero(synthetic):
    assert_agrees(np.concatenate([np.zeros(3000), synthetic, np.zeros(3000)]))


@pytest.mark.parametrize(
    "settings",
    [
        {"frame": 1536, "hop": 320, "fmin": 80.0, "fmax": 1000.0},
        {"frame": 600, "hop": 37, "fmin": 75.0, "fmax": 410.0},
        {"frame": 1024, "hop": 160, "fmin": 100.0, "fmax": 200.0},
        {"rate": 22050, "frame": 1024, "hop": 256, "fmin": 60.0, "fmax": 5000.0},
    ],
    ids=["long hop", "short hop", "one octave", "other rate, high top"],
)
def test_agrees_with_librosa_at_other_settings(settings, synthetic):
    assert_agrees(np.tile(synthetic, 4), **settings)


def test_agrees_with_librosa_beyond_one_block_of_frames(synthetic):
    assert_agrees(np.tile(synthetic, 6))


def test_agrees_with_librosa_on_real_speech(utterances):
    for samples in utterances:
        assert_agrees(samples)


@pytest.mark.parametrize("hertz", [80.0, 123.4, 220.0, 410.0])
def test_steady_voice_has_its_known_pitch(hertz, voice):
    f0, _ = pitch(voice(np.full(12000, hertz), (700, 1200)), RATE, **SETTINGS)
    inner = f0[2:-2]
    assert (inner > 0).all()
    half_bin = 2 ** (0.5 / 120) - 1  # the grid has 10 cents
    assert np.median(np.abs(inner / hertz - 1)) <= half_bin + 1e-3


def test_glide_is_followed(voice):
    course = np.geomspace(100, 300, 16000)
    f0, _ = pitch(voice(course, (600, 1400)), RATE, **SETTINGS)
    known = course[np.arange(len(f0)) * 160 + 512]
    right = np.abs(f0 / known - 1) < 0.02
    assert right[2:-2].mean() >= 0.97


def test_voicing_distinguishes_a_voice_from_noise(voice):
    _, of_voice = pitch(voice(np.full(12000, 123.4), (700, 1200)), RATE, **SETTINGS)
    _, of_noise = pitch(np.random.default_rng(1).standard_normal(12000), RATE, **SETTINGS)
    assert np.percentile(of_voice, 5) > 3 * np.percentile(of_noise, 95)


def test_unvoiced_frames_are_zero():
    noise = 0.1 * np.random.default_rng(1).standard_normal(16000)
    f0, voicing = pitch(noise, RATE, **SETTINGS)
    assert (f0 == 0).mean() > 0.9
    assert voicing.max() <= 1
    assert voicing.min() >= 0


def test_silence_is_unvoiced_and_finite():
    f0, voicing = pitch(np.zeros(4000), RATE, **SETTINGS)
    assert np.isfinite(voicing).all()
    assert not f0.any()

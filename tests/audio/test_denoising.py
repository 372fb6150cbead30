"""Noise reduction: less noise, the same speech, only finite values."""

import numpy as np
import pytest

from speech_emotion.audio.denoising import spectral_subtraction, wavelet_shrinkage

RATE = 16000


def subtract(samples):
    return spectral_subtraction(samples, RATE, 2.0, 0.02)


def shrink(samples):
    return wavelet_shrinkage(samples, "db8", 5)


@pytest.fixture(scope="module")
def clean():
    """Bursts of a low voice between pauses: (24000,)."""
    time = np.arange(24000) / RATE
    voice = sum(np.sin(2 * np.pi * 120 * n * time) / n for n in range(1, 6))
    return 0.1 * voice * (np.sin(2 * np.pi * 2 * time) > 0)


@pytest.fixture(scope="module")
def noise():
    return 0.02 * np.random.default_rng(0).standard_normal(24000)


def error_db(found, wanted):
    return 10 * np.log10(np.mean((found - wanted) ** 2))


@pytest.mark.parametrize("reduce", [subtract, shrink])
def test_noisy_speech_gets_closer_to_the_clean_speech(reduce, clean, noise):
    assert error_db(reduce(clean + noise), clean) < error_db(clean + noise, clean) - 2


@pytest.mark.parametrize("reduce", [subtract, shrink])
def test_pauses_lose_their_noise(reduce, clean, noise):
    pause = slice(5000, 7000)
    assert not clean[pause].any()
    quieter = reduce(clean + noise)[pause]
    assert np.mean(quieter**2) < 0.25 * np.mean(noise[pause] ** 2)


@pytest.mark.parametrize("reduce", [subtract, shrink])
def test_result_scales_with_the_samples(reduce, clean, noise):
    noisy = clean + noise
    np.testing.assert_allclose(reduce(0.1 * noisy), 0.1 * reduce(noisy), atol=1e-9)


@pytest.mark.parametrize("reduce", [subtract, shrink])
@pytest.mark.parametrize("length", [1, 7, 100, 511, 512, 513, 5000])
def test_any_length_is_kept(reduce, length):
    samples = np.random.default_rng(length).normal(0, 0.1, length)
    found = reduce(samples)
    assert found.shape == (length,)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("reduce", [subtract, shrink])
def test_digital_silence_is_unchanged(reduce):
    assert not reduce(np.zeros(4000)).any()


def test_larger_oversubtraction_removes_more(clean, noise):
    little = spectral_subtraction(clean + noise, RATE, 1.0, 0.001)
    much = spectral_subtraction(clean + noise, RATE, 4.0, 0.001)
    pause = slice(5000, 7000)
    assert np.mean(much[pause] ** 2) < 0.7 * np.mean(little[pause] ** 2)


def test_larger_floor_leaves_more_noise(clean, noise):
    pause = slice(5000, 7000)
    low = spectral_subtraction(clean + noise, RATE, 2.0, 0.001)[pause]
    high = spectral_subtraction(clean + noise, RATE, 2.0, 0.3)[pause]
    assert np.mean(high**2) > 2 * np.mean(low**2)


def test_the_wavelet_threshold_is_the_universal_threshold():
    samples = np.random.default_rng(1).normal(0, 1.0, 4096)
    pure_noise = wavelet_shrinkage(samples, "db8", 3)
    assert np.mean(pure_noise**2) < 0.2  # the remaining white noise is in the eighth of the spectrum below 1 kHz

"""Preprocessing: from the samples of a file to a waveform, by recipe."""

from pathlib import Path

import numpy as np
import pytest

from speech_emotion.audio.levels import peak_dbfs, rms_dbfs
from speech_emotion.audio.preparation import prepare
from speech_emotion.errors import UserError
from speech_emotion.params import Recipe, load_params

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml").preprocess
PLAIN = Recipe(level="none", denoise="none", vad=False)


def sine(rate, seconds=1.0, hertz=440.0):
    return 0.2 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000])
def test_any_rate_is_resampled_to_that_of_params_with_the_same_tone(rate):
    found = prepare(sine(rate), rate, PLAIN, PARAMS)
    assert found.dtype == np.float32
    assert abs(len(found) - PARAMS.sample_rate) <= 1
    inner = slice(1000, 15000)
    np.testing.assert_allclose(found[inner], sine(PARAMS.sample_rate)[inner], atol=2e-3)


def test_tone_above_half_the_rate_is_removed():
    found = prepare(sine(48000, hertz=12000.0), 48000, PLAIN, PARAMS)
    assert np.abs(found[500:-500]).max() < 1e-3


def test_channels_are_averaged():
    left, right = sine(16000), sine(16000, hertz=700.0)
    found = prepare(np.stack([left, right], axis=1), 16000, PLAIN, PARAMS)
    np.testing.assert_allclose(found, (left + right) / 2, atol=1e-6)


def test_plain_recipe_at_the_same_rate_changes_nothing():
    samples = sine(16000).astype(np.float32)
    np.testing.assert_array_equal(prepare(samples, 16000, PLAIN, PARAMS), samples)


@pytest.mark.parametrize("recipe", PARAMS.recipes)
def test_a_recipe_sets_the_level_last(recipe):
    samples = np.concatenate([np.zeros(8000), sine(16000), np.zeros(8000)])
    samples += 1e-3 * np.random.default_rng(0).standard_normal(len(samples))
    definition = PARAMS.recipes[recipe]
    found = prepare(samples, 16000, definition, PARAMS)
    if definition.level == "none":
        assert rms_dbfs(found) == pytest.approx(rms_dbfs(samples), abs=0.01)
    else:
        measure = {"rms": rms_dbfs, "peak": peak_dbfs}[definition.level]
        assert measure(found) == pytest.approx(PARAMS.level_dbfs, abs=0.01)
    assert (len(found) < 24000) == definition.vad


@pytest.mark.parametrize("denoise", ["spectral-subtraction", "wavelet"])
def test_noise_reduction_reduces_noise(denoise):
    noise = 5e-3 * np.random.default_rng(0).standard_normal(32000)
    samples = np.concatenate([np.zeros(16000), sine(16000)]) + noise
    found = prepare(samples, 16000, Recipe(level="none", denoise=denoise, vad=False), PARAMS)
    assert rms_dbfs(found[2000:14000]) < rms_dbfs(samples[2000:14000]) - 6


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(0), "samples = none"),
        (np.array([0.1, np.nan]), "not finite"),
        (np.array([0.1, np.inf]), "not finite"),
        (np.zeros((0, 2)), "samples = none"),
    ],
)
def test_unusable_samples_are_refused(samples, message):
    with pytest.raises(UserError, match=message):
        prepare(samples, 16000, PLAIN, PARAMS)


@pytest.mark.parametrize("recipe", PARAMS.recipes)
@pytest.mark.parametrize("samples", [np.zeros(4000), np.full(1, 0.5), sine(16000, 0.02)], ids=["zeros", "one", "short"])
def test_degenerate_waveforms_give_finite_samples(recipe, samples):
    found = prepare(samples, 16000, PARAMS.recipes[recipe], PARAMS)
    assert found.size > 0
    assert np.isfinite(found).all()


def test_a_real_file_with_another_rate_and_two_channels_is_read_correctly(corpora):
    from speech_emotion.audio.reading import read_audio

    audio = read_audio(corpora / "ravdess" / "Actor_01" / "03-01-02-01-01-02-01.wav")  # 48 kHz, stereo
    found = prepare(audio.samples, audio.rate, PLAIN, PARAMS)
    assert len(found) == pytest.approx(audio.seconds * PARAMS.sample_rate, abs=1)
    assert rms_dbfs(found) == pytest.approx(rms_dbfs(audio.samples), abs=1.0)

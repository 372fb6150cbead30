"""The device's resampling against soxr's, which resampled the training speech."""

import numpy as np
import pytest
import soxr

from speech_emotion_jetson.resampling import Resampler, resample

RATES = (8000, 11025, 22050, 24000, 32000, 44100, 48000, 96000)
ODD = 44101  # filters between two phases are interpolated


def noise(rate, seconds=0.5):
    return (0.1 * np.random.default_rng(0).standard_normal(round(rate * seconds) + 7)).astype(np.float32)


@pytest.mark.parametrize("rate", [*RATES, ODD])
def test_the_pass_band_is_soxrs_within_hundredths_of_a_decibel(rate):
    time = np.arange(rate) / rate
    sweep = np.sin(2 * np.pi * (50 * time + 0.5 * 0.42 * min(rate, 16000) * time**2)).astype(np.float32)
    ours, theirs = resample(sweep, rate, 16000), soxr.resample(sweep, rate, 16000, quality="HQ")
    assert len(ours) == len(theirs)
    inner = slice(800, int(0.95 * 16000))
    np.testing.assert_allclose(ours[inner], theirs[inner], atol=5e-4)


@pytest.mark.parametrize("rate", [*RATES, ODD])
def test_noise_differs_from_soxrs_only_in_the_transition_band(rate):
    ours, theirs = resample(noise(rate), rate, 16000), soxr.resample(noise(rate), rate, 16000, quality="HQ")
    assert len(ours) == len(theirs)
    assert np.std(ours - theirs) < 5e-3 * np.std(theirs)


@pytest.mark.parametrize("rate", [*RATES, ODD])
@pytest.mark.parametrize("length", [1, 777, 4096])
def test_blocks_together_are_the_whole(rate, length):
    samples = noise(rate, 0.1)
    stream = Resampler(rate, 16000)
    parts = [stream.push(samples[at : at + length]) for at in range(0, len(samples), length)]
    found = np.concatenate([*parts, stream.finish()])
    np.testing.assert_allclose(found, resample(samples, rate, 16000), atol=1e-6)


@pytest.mark.parametrize("rate", [32000, 44100, 48000, 96000])
def test_frequencies_above_the_target_nyquist_are_removed(rate):
    tone = np.sin(2 * np.pi * 8500 * np.arange(rate) / rate).astype(np.float32)
    assert np.abs(resample(tone, rate, 16000)[800:-800]).max() < 3e-6


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_the_level_is_unchanged(rate):
    np.testing.assert_allclose(resample(np.full(rate, 0.5, np.float32), rate, 16000)[800:-800], 0.5, atol=1e-5)


@pytest.mark.parametrize(("count", "rate"), [(0, 48000), (1, 96000), (2, 96000), (1, 8000), (3, 44100), (1, ODD)])
def test_a_handful_of_samples_gives_as_many_as_soxr(count, rate):
    samples = np.full(count, 0.5, np.float32)
    assert len(resample(samples, rate, 16000)) == len(soxr.resample(samples, rate, 16000, quality="HQ"))


def test_the_same_rate_changes_nothing():
    samples = noise(16000)
    assert Resampler(16000, 16000).push(samples) is samples


def test_memory_does_not_grow_with_the_stream():
    stream = Resampler(48000, 16000)
    kept = []
    for _ in range(20):
        stream.push(noise(48000, 0.1))
        kept.append(stream._kept.nbytes)
    assert max(kept[5:]) <= max(kept[:5]) + 4 * 192

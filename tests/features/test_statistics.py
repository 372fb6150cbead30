"""Statistics of an utterance: their meaning, finite values, fixed names."""

import numpy as np
import pytest

from speech_emotion.features.extraction import compute, statistic_names

RATE = 16000


@pytest.fixture(scope="module")
def names(params):
    return statistic_names("statistics", params.features, RATE)


@pytest.fixture(scope="module")
def statistics_of(params, names):
    """statistics_of(samples): name -> value."""

    def compute_all(samples):
        values = compute("statistics", samples.astype(np.float32), params.features, RATE)
        return dict(zip(names, values, strict=True))

    return compute_all


def test_names_are_unique_and_each_part_is_among_them(names, params):
    assert len(set(names)) == len(names)
    for part in params.features["statistics"].of:
        assert any(name.startswith(part) for name in names), part


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(8000),
        np.zeros(1),
        np.full(9000, 0.5),
        np.random.default_rng(0).normal(0, 0.1, 8000),
        np.random.default_rng(0).normal(0, 0.1, 700),
        np.eye(1, 5000, 2500)[0],
        1e-7 * np.random.default_rng(0).normal(0, 0.1, 8000),
        50 * np.random.default_rng(0).normal(0, 0.1, 8000),
    ],
    ids=["silence", "one sample", "constant", "noise", "shorter than a frame", "click", "faint", "above full scale"],
)
def test_any_waveform_gives_finite_values(samples, statistics_of, names):
    assert np.isfinite(list(statistics_of(samples).values())).all()


def test_speech_gives_finite_values(utterances, statistics_of):
    for samples in utterances:
        assert np.isfinite(list(statistics_of(samples).values())).all()


def test_pitch_is_in_semitones_and_only_of_voiced_frames(statistics_of, voice):
    samples = np.concatenate([voice(np.full(12000, 220.0), (700, 1200)), np.zeros(12000)])
    found = statistics_of(samples)
    assert found["f0.semitones.p50"] == pytest.approx(36.0, abs=0.1)  # three octaves above 27.5 Hz
    assert found["f0.semitones.range"] < 0.5
    assert 0.4 < found["f0.voiced.share"] < 0.6
    assert found["f0.voiced.seconds.mean"] == pytest.approx(0.75, abs=0.06)


def test_rising_and_falling_voice_differ_in_the_sign_of_their_slopes(statistics_of, voice):
    rise = statistics_of(voice(np.geomspace(120, 240, 16000), (700, 1200)))
    fall = statistics_of(voice(np.geomspace(240, 120, 16000), (700, 1200)))
    assert rise["f0.semitones.slope"] == pytest.approx(12.0, rel=0.05)
    assert fall["f0.semitones.slope"] == pytest.approx(-12.0, rel=0.05)
    assert rise["f0.rise.mean"] > 0
    assert fall["f0.fall.mean"] < 0


def test_uneven_voice_has_more_jitter(statistics_of, voice):
    steady = statistics_of(voice(np.full(16000, 150.0), (700, 1200)))
    shaky = statistics_of(voice(150.0 * (1 + 0.06 * np.sin(2 * np.pi * 5 * np.arange(16000) / RATE)), (700, 1200)))
    assert shaky["f0.jitter.mean"] > steady["f0.jitter.mean"] + 0.002


def test_brighter_sound_has_lower_alpha_ratio_and_higher_centroid(statistics_of):
    noise = np.random.default_rng(2).normal(0, 0.1, 16000)
    dull, bright = statistics_of(np.cumsum(noise) * 0.05), statistics_of(np.diff(noise, prepend=0.0))
    assert bright["mspec-40.alpha-ratio.mean"] < dull["mspec-40.alpha-ratio.mean"] - 10
    assert bright["mspec-40.centroid.mean"] > dull["mspec-40.centroid.mean"] + 2  # kHz


def test_rhythm_is_in_the_band_of_the_syllables(statistics_of):
    time = np.arange(3 * RATE) / RATE
    noise = np.random.default_rng(3).normal(0, 0.1, len(time))
    found = statistics_of(noise * 10 ** ((np.sin(2 * np.pi * 5 * time) - 1) / 2))
    bands = {name: value for name, value in found.items() if ".rhythm." in name}
    assert max(bands, key=bands.get) == "energy.rhythm.4-8-hz"
    assert bands["energy.rhythm.4-8-hz"] > 0.7


def test_statistics_do_not_repeat_a_short_waveform(params):
    samples = np.random.default_rng(4).normal(0, 0.1, 4000).astype(np.float32)
    once = compute("statistics", samples, params.features, RATE)
    np.testing.assert_array_equal(compute("statistics", samples, params.features, RATE, min_samples=48000), once)

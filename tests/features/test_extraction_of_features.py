"""Features by name: shapes, short waveforms, shared computations."""

import numpy as np
import pytest

from speech_emotion.features import extraction
from speech_emotion.features.extraction import compute, repeat_to
from speech_emotion.features.frontend import frame_count
from speech_emotion.params import Feature

RATE = 16000
DIMS = {
    "mel-128": 128, "spectrogram-128": 128, "mfcc-13-w1": 13, "mspec-40": 40, "mspec-40-d": 80, "mspec-40-dd": 120,
    "mfcc-13": 13, "mfcc-13-d": 26, "mfcc-13-dd": 39, "mel-64": 64, "mel-120": 120, "mel-128-4k": 128,
    "mfcc-20-64ms": 20, "energy-64ms": 1, "mfcc-20": 20, "energy": 1, "f0": 1, "voicing": 1, "zcr": 1,
    "chroma": 12, "formants": 3,
}  # fmt: skip


@pytest.mark.parametrize("name", DIMS)
def test_contours_have_one_row_per_whole_frame(name, params, synthetic):
    feature = params.features[name]
    found = compute(name, synthetic, params.features, RATE)
    assert found.shape == (frame_count(len(synthetic), feature.frame, feature.hop), DIMS[name])
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


def test_speech_rate_is_one_number(params, synthetic):
    assert compute("speech-rate", synthetic, params.features, RATE).shape == (1,)


def test_every_feature_of_params_is_covered_here(params):
    assert set(params.features) - set(DIMS) == {"speech-rate", "statistics"}


@pytest.mark.parametrize("system", ["w1", "k2", "t1"])
def test_short_waveform_is_repeated_until_it_fills_a_window(system, params):
    needs, window = params.needs[system], params.systems[system]["window_frames"]
    short = np.random.default_rng(0).normal(0, 0.1, 2500).astype(np.float32)
    for name in needs.features:
        samples, feature = round(needs.min_seconds * RATE), params.features[name]
        found = compute(name, short, params.features, RATE, samples)
        assert len(found) == frame_count(samples, feature.frame, feature.hop) >= window


def test_repetition_starts_again_at_the_first_sample():
    np.testing.assert_array_equal(repeat_to(np.array([1, 2, 3]), 7), [1, 2, 3, 1, 2, 3, 1])


def test_long_waveform_is_not_repeated():
    samples = np.arange(10)
    assert repeat_to(samples, 10) is samples


@pytest.mark.parametrize("name", DIMS)
def test_waveform_of_a_single_sample_gives_a_frame(name, params):
    found = compute(name, np.array([0.25], dtype=np.float32), params.features, RATE)
    assert found.shape == (1, DIMS[name])
    assert np.isfinite(found).all()


def test_pitch_is_computed_once_for_f0_voicing_and_statistics(params, synthetic, monkeypatch):
    calls, known = [], {}
    pitch = extraction.pitch
    monkeypatch.setattr(extraction, "pitch", lambda *arguments: calls.append(1) or pitch(*arguments))
    for name in ("f0", "voicing", "statistics"):
        compute(name, synthetic, params.features, RATE, 0, known)
    assert len(calls) == 1


def test_shared_results_are_kept_apart_by_length(params):
    known = {}
    samples = np.random.default_rng(0).normal(0, 0.1, 3000).astype(np.float32)
    short = compute("f0", samples, params.features, RATE, 0, known)
    long = compute("f0", samples, params.features, RATE, 16000, known)
    assert len(short) == frame_count(3000, 1024, 160)
    assert len(long) == frame_count(16000, 1024, 160)


def test_deltas_follow_features_outside_the_front_end(synthetic):
    features = {"zcr": Feature(kind="zcr", frame=400, hop=160, deltas=1)}
    found = compute("zcr", synthetic, features, RATE)
    assert found.shape[1] == 2
    np.testing.assert_allclose(found[1:-1, 1], (found[2:, 0] - found[:-2, 0]) / 2, atol=1e-6)

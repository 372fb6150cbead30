"""A variant that takes all windows of a waveform at once gives the same answers as one that takes them one by one."""

import numpy as np
import pytest

from made_up_export import HOP, RATE, WINDOW
from speech_emotion_jetson import backends
from speech_emotion_jetson.bundle import opened
from speech_emotion_jetson.errors import UserError
from speech_emotion_jetson.recogniser import Recogniser


@pytest.fixture
def both(made):
    with opened(made) as bundle:
        yield [Recogniser.load(bundle, variant, "cpu", detect_ood=False) for variant in ("fp32", "int8-cpu")]


def probabilities(prediction):
    return rows(prediction.windows)


def rows(windows):
    return np.array([list(window.probabilities.values()) for window in windows])


@pytest.mark.parametrize("length", [1000, WINDOW, WINDOW + 1, WINDOW + HOP, 17003, 40 * HOP + 77, 12 * RATE])
def test_answers_are_the_same_at_every_length(both, length):
    waveform = (0.2 * np.random.default_rng(length).standard_normal(length)).astype(np.float32)
    one, many = (recogniser.predict(waveform, RATE) for recogniser in both)
    assert [(w.start, w.end) for w in one.windows] == [(w.start, w.end) for w in many.windows]
    np.testing.assert_allclose(probabilities(many), probabilities(one), atol=1e-5)


def test_a_long_waveform_is_computed_in_parts(both, waveform, monkeypatch):
    monkeypatch.setattr(backends, "AT_ONCE", 3)
    calls = []
    run = both[1].backend._run
    monkeypatch.setattr(both[1].backend, "_run", lambda wave, starts: calls.append(len(starts)) or run(wave, starts))
    one, many = (recogniser.predict(waveform, RATE) for recogniser in both)
    assert max(calls) == 3
    assert sum(calls) == len(one.windows)
    np.testing.assert_allclose(probabilities(many), probabilities(one), atol=1e-5)


def test_live_speech_gets_answers_too(both, waveform):
    one, many = (rows(each.follow([waveform], RATE)) for each in both)
    np.testing.assert_allclose(many, one, atol=1e-5)


def test_windows_with_gaps_are_computed_one_by_one(load, waveform):
    fp32, many = (load(hop_samples=2 * WINDOW, default=name) for name in ("fp32", "int8-cpu"))
    np.testing.assert_allclose(
        probabilities(many.predict(waveform, RATE)), probabilities(fp32.predict(waveform, RATE)), atol=1e-5
    )


def test_another_number_of_emotions_is_refused(load):
    with pytest.raises(UserError, match=r"probabilities = tensor\(float\).*make the bundle again"):
        load(default="int8-cpu", labels=["anger", "neutral"])


@pytest.mark.parametrize("length", [700, WINDOW, 4000, 5999, 6000, 9000])
def test_a_short_recording_is_repeated_as_in_training_and_its_windows_end_with_it(load, length):
    waveform = (0.2 * np.random.default_rng(length).standard_normal(length)).astype(np.float32)
    repeated = np.resize(waveform, max(length, 6000))
    for variant in ("fp32", "int8-cpu"):
        found = load(default=variant, least_samples=6000).predict(waveform, RATE)
        expected = load(default=variant, least_samples=WINDOW).predict(repeated, RATE)
        assert found.probabilities == pytest.approx(expected.probabilities)
        assert all(window.start < window.end <= length / RATE for window in found.windows)
        assert found.timeline[-1].end == pytest.approx(length / RATE)
        assert all(part.start < part.end for part in found.timeline)

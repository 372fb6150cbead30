"""How segments of a waveform are measured, and the out-of-distribution detector's file."""

import numpy as np
import pytest

import sounds
from speech_emotion.inference.out_of_distribution_fitting import segments
from speech_emotion_jetson.errors import UserError
from speech_emotion_jetson.measures import measures
from speech_emotion_jetson.out_of_distribution import OodDetector

RATE = 16000


@pytest.mark.parametrize("kind", sorted(sounds.KINDS))
def test_measures_are_finite_and_independent_of_level(kind):
    samples = sounds.sound(kind, 0).astype(np.float64)
    found = measures(samples, RATE)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(measures(samples / 8, RATE), found, atol=1e-6)


@pytest.mark.parametrize("seconds", [0.01, 0.5, 2.0, 2.5, 9.3])
def test_segments_of_any_length_have_the_same_measures(seconds):
    noise = np.random.default_rng(0).standard_normal(round(seconds * RATE)).astype(np.float32) / 10
    found = segments(noise, RATE)
    assert found.shape == (max(1, int(np.ceil(seconds)) - 1), len(measures(noise[:1600].repeat(20), RATE)))


def test_pauses_beside_something_louder_do_not_count():
    noise = np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32) / 10
    single = segments(noise, RATE)
    found = segments(np.concatenate([noise, np.zeros(6 * RATE, np.float32) + 1e-3 * np.tile(noise, 3)]), RATE)
    np.testing.assert_array_equal(found[0], single[0])
    assert len(found) == 2  # the second reaches half into the pause


@pytest.mark.parametrize("text", ["{", "[]", '{"mean": [0.0], "whiten": [[1.0, 2.0]], "threshold": 1.0}'])
def test_a_damaged_file_is_refused(tmp_path, text):
    (tmp_path / "out_of_distribution.json").write_text(text)
    with pytest.raises(UserError, match=r"out_of_distribution\.json: is damaged"):
        OodDetector.from_file(tmp_path / "out_of_distribution.json")

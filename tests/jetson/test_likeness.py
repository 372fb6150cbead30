"""How stretches of a waveform are measured, and the description of the training speech as a file."""

import numpy as np
import pytest

import sounds
from speech_emotion.inference.likeness_fitting import stretches
from speech_emotion_jetson.errors import UserError
from speech_emotion_jetson.likeness import Likeness
from speech_emotion_jetson.measures import measures

RATE = 16000


@pytest.mark.parametrize("kind", sorted(sounds.KINDS))
def test_measures_are_finite_and_blind_to_level(kind):
    samples = sounds.sound(kind, 0).astype(np.float64)
    found = measures(samples, RATE)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(measures(samples / 8, RATE), found, atol=1e-6)


@pytest.mark.parametrize("seconds", [0.01, 0.5, 2.0, 2.5, 9.3])
def test_stretches_of_any_length_have_the_same_measures(seconds):
    noise = np.random.default_rng(0).standard_normal(round(seconds * RATE)).astype(np.float32) / 10
    found = stretches(noise, RATE)
    assert found.shape == (max(1, int(np.ceil(seconds)) - 1), len(measures(noise[:1600].repeat(20), RATE)))


def test_pauses_beside_something_louder_do_not_count():
    noise = np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32) / 10
    alone = stretches(noise, RATE)
    found = stretches(np.concatenate([noise, np.zeros(6 * RATE, np.float32) + 1e-3 * np.tile(noise, 3)]), RATE)
    np.testing.assert_array_equal(found[0], alone[0])
    assert len(found) == 2  # the second reaches half into the pause


@pytest.mark.parametrize("text", ["{", "[]", '{"mean": [0.0], "whiten": [[1.0, 2.0]], "threshold": 1.0}'])
def test_a_damaged_file_is_refused(tmp_path, text):
    (tmp_path / "likeness.json").write_text(text)
    with pytest.raises(UserError, match=r"likeness\.json: is damaged"):
        Likeness.from_file(tmp_path / "likeness.json")

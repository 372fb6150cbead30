"""Silence removal."""

import numpy as np
import pytest

from speech_emotion.audio.activity import remove_silence, speech_mask

RATE = 16000


@pytest.fixture
def pauses():
    """0.3 s faint noise, 0.5 s loud, 0.4 s faint, 0.2 s loud, 0.25 s faint."""
    random = np.random.default_rng(0)
    parts = [(4800, 1e-4), (8000, 0.1), (6400, 1e-4), (3200, 0.1), (4000, 1e-4)]
    return np.concatenate([random.normal(0, level, length) for length, level in parts])


def test_without_hangover_the_loud_parts_remain(pauses):
    mask = speech_mask(pauses, RATE, 35.0, 0.0)
    expected = np.zeros(len(pauses), dtype=bool)
    expected[4800:12800] = expected[19200:22400] = True
    np.testing.assert_array_equal(mask, expected)


def test_hangover_is_kept_on_both_sides(pauses):
    mask = speech_mask(pauses, RATE, 35.0, 100.0)
    expected = np.zeros(len(pauses), dtype=bool)
    expected[4800 - 1600 : 12800 + 1600] = expected[19200 - 1600 : 22400 + 1600] = True
    np.testing.assert_array_equal(mask, expected)


def test_kept_samples_are_unchanged_and_in_order(pauses):
    mask = speech_mask(pauses, RATE, 35.0, 50.0)
    np.testing.assert_array_equal(remove_silence(pauses, RATE, 35.0, 50.0), pauses[mask])


def test_high_threshold_keeps_all(pauses):
    assert speech_mask(pauses, RATE, 100.0, 0.0).all()


def test_mask_does_not_depend_on_the_level(pauses):
    np.testing.assert_array_equal(speech_mask(1e-3 * pauses, RATE, 35.0, 0.0), speech_mask(pauses, RATE, 35.0, 0.0))


@pytest.mark.parametrize("samples", [np.zeros(1000), np.zeros(1), np.eye(1, 5000, 4999)[0], np.full(161, 0.1)])
def test_something_always_remains(samples):
    assert remove_silence(samples, RATE, 1.0, 0.0).size > 0


def test_real_speech_keeps_its_energy(corpora):
    import soundfile

    samples, rate = soundfile.read(corpora / "emodb" / "wav" / "03a01Fa.wav")
    padded = np.concatenate([np.zeros(rate), samples, np.zeros(rate)])
    kept = remove_silence(padded, rate, 35.0, 100.0)
    assert len(kept) <= len(samples) + 0.2 * rate
    assert np.sum(kept**2) > 0.999 * np.sum(samples**2)

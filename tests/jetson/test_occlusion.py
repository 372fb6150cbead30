"""Where the model looked, for models that look at one known place."""

import numpy as np
import pytest

from speech_emotion_jetson import occlusion as module
from speech_emotion_jetson.occlusion import muted, occlusion

WINDOW = 3200
RATE = 16000


def listens_to(first, last):
    """A model whose probability is 0.9 if there is energy between two samples of a window, else 0.1."""

    def ask(window):
        heard = 0.9 if np.abs(window[first:last]).max() > 0.01 else 0.1
        return np.array([heard, 1 - heard, 0.0])

    return ask


def look(recogniser, samples, ask, windows):
    return occlusion([samples], recogniser.bundle, ask, windows, len(samples) / RATE)


def test_the_place_that_the_model_looks_at_has_the_highest_value(recogniser):
    samples = np.full(WINDOW, 0.5, np.float32)
    cells = look(recogniser, samples, listens_to(1280, 1600), 1)
    assert len(cells) == module.PARTS
    np.testing.assert_allclose(cells, [0, 0, 0, 0, 0.8, 0, 0, 0, 0, 0], atol=1e-6)


def test_evidence_against_the_emotion_is_negative(recogniser):
    samples = np.full(WINDOW, 0.5, np.float32)
    ask = listens_to(1280, 1600)
    cells = look(recogniser, samples, lambda window: np.array([1.0, 0.0, 0.0]) - 0.5 * ask(window)[[0, 2, 2]], 1)
    assert cells[4] == pytest.approx(-0.4)


def test_a_long_recording_is_covered_with_a_bounded_number_of_runs(recogniser):
    asked = 0

    def ask(window):
        nonlocal asked
        asked += 1
        return np.array([1.0, 0.0, 0.0])

    samples = np.full(60 * RATE, 0.1, np.float32)
    windows = len(recogniser.predict(samples, RATE).windows)
    cells = look(recogniser, samples, ask, windows)
    assert 0.5 * module.MOST_ASKED < asked <= module.MOST_ASKED + module.PARTS + 1
    assert len(cells) <= module.MOST_CELLS
    assert np.isnan(cells).any()  # between the windows that were taken
    assert not np.isnan(cells[0])


def test_a_waveform_shorter_than_a_window_has_its_own_length(recogniser):
    cells = look(recogniser, np.full(1600, 0.5, np.float32), listens_to(0, 320), 1)
    assert len(cells) == 5
    assert cells[0] > 0.3


def test_muting_fades_and_leaves_the_rest(recogniser):
    window = np.ones(WINDOW, np.float32)
    found = muted(window, 1000, 1320, RATE)
    assert (found[1000:1320] == 0).all()
    assert (found[: 1000 - 160] == 1).all() and (found[1320 + 160 :] == 1).all()
    assert (np.diff(found[839:1001]) <= 0).all() and np.abs(np.diff(found)).max() < 0.01
    assert (window == 1).all()


@pytest.mark.parametrize(("first", "last"), [(0, 320), (WINDOW - 320, WINDOW), (0, WINDOW), (5, 10)])
def test_muting_at_the_ends_is_as_long_as_the_window(first, last):
    found = muted(np.ones(WINDOW, np.float32), first, last, RATE)
    assert found.shape == (WINDOW,) and (found[first:last] == 0).all()

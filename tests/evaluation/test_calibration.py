"""Temperature scaling of probabilities."""

import numpy as np
import pytest

from speech_emotion.evaluation.calibration import TEMPERATURES, best_temperature, cross_fitted, tempered
from speech_emotion.evaluation.metrics import calibration_error


def softmax(logits):
    exponentials = np.exp(logits)
    return exponentials / exponentials.sum(axis=1, keepdims=True)


@pytest.fixture
def logits():
    return 2 * np.random.default_rng(0).standard_normal((4000, 5))


@pytest.fixture
def targets(logits):
    """Drawn from the softmax of the logits, which is therefore calibrated."""
    draws = np.random.default_rng(1).random((len(logits), 1))
    return (draws > softmax(logits).cumsum(axis=1)).sum(axis=1).clip(max=4)


def test_temperature_of_one_softmax_is_the_softmax_of_the_divided_logits(logits):
    np.testing.assert_allclose(tempered(softmax(logits[:50]), 1.7), softmax(logits[:50] / 1.7), atol=1e-5)


def test_temperature_one_leaves_probabilities_as_they_are(logits):
    np.testing.assert_array_equal(tempered(softmax(logits), 1.0), softmax(logits))


@pytest.mark.parametrize("temperature", [0.25, 0.8, 3.0])
def test_the_most_probable_class_and_the_sum_stay_the_same(logits, temperature):
    found = tempered(softmax(logits), temperature)
    np.testing.assert_array_equal(found.argmax(axis=1), logits.argmax(axis=1))
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_a_probability_of_zero_gives_finite_results():
    assert np.isfinite(tempered(np.array([1.0, 0.0]), 0.25)).all()


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_the_scale_of_wrongly_scaled_logits_is_found(logits, targets, scale):
    assert best_temperature(softmax(scale * logits), targets) == pytest.approx(scale, rel=0.06)


def test_the_temperature_stays_within_its_range(logits):
    always_wrong = (-logits).argmax(axis=1)
    assert best_temperature(softmax(logits), always_wrong) == TEMPERATURES[-1]
    assert best_temperature(softmax(0.1 * logits), logits.argmax(axis=1)) == TEMPERATURES[0]


def test_cross_fitting_corrects_overconfidence_on_other_speakers(logits, targets):
    speakers = np.arange(len(targets)) % 7
    sure = softmax(2.5 * logits)
    fitted = cross_fitted(sure, targets, speakers)
    right = sure.argmax(axis=1) == targets
    before, after = (calibration_error(p.max(axis=1), right, 15) for p in (sure, fitted))
    assert before > 0.1
    assert after < 0.04


def test_a_speakers_own_truth_does_not_change_its_probabilities(logits, targets):
    speakers = np.arange(len(targets)) % 7
    own = speakers == 3
    changed = np.where(own, (targets + 1) % 5, targets)
    one, other = (cross_fitted(softmax(logits), truth, speakers) for truth in (targets, changed))
    np.testing.assert_array_equal(one[own], other[own])
    assert not np.array_equal(one[~own], other[~own])


def test_a_single_speaker_keeps_its_probabilities(logits, targets):
    np.testing.assert_array_equal(cross_fitted(softmax(logits), targets, np.zeros(len(targets))), softmax(logits))

"""The emotion over time."""

import numpy as np
import pytest

from speech_emotion_jetson.timeline import Smoother, segments

A, B = np.array([0.9, 0.1]), np.array([0.2, 0.8])


def test_after_one_half_life_the_old_and_the_new_count_half():
    smoother = Smoother(half_life=2.0)
    np.testing.assert_allclose(smoother.push(1.0, A), A)
    np.testing.assert_allclose(smoother.push(3.0, B), (A + B) / 2)
    np.testing.assert_allclose(smoother.push(3.0, A), (A + B) / 2)


def test_without_a_half_life_nothing_is_smoothed():
    smoother = Smoother(half_life=0.0)
    smoother.push(1.0, A)
    np.testing.assert_array_equal(smoother.push(1.1, B), B)


def test_smoothed_probabilities_sum_to_one():
    smoother, random = Smoother(0.7), np.random.default_rng(0)
    for step in range(50):
        assert np.isclose(smoother.push(0.4 * step, random.dirichlet(np.ones(5))).sum(), 1)


def test_neighbours_of_one_emotion_are_joined_with_boundaries_between_centres():
    times = [(0.0, 2.0), (1.0, 3.0), (2.0, 4.0), (3.0, 5.0)]
    found = segments(times, [A, A, B, A], ("calm", "fear"), 5.5)
    assert [(one.start, one.end, one.emotion) for one in found] == [
        (0.0, 2.5, "calm"),
        (2.5, 3.5, "fear"),
        (3.5, 5.5, "calm"),
    ]
    assert [one.probability for one in found] == pytest.approx([0.9, 0.8, 0.9])


def test_one_window_is_the_whole_recording():
    (one,) = segments([(0.0, 0.7)], [B], ("calm", "fear"), 0.7)
    assert (one.start, one.end, one.emotion) == (0.0, 0.7, "fear")


def test_no_window_is_no_segment():
    assert segments([], [], ("calm",), 1.0) == []

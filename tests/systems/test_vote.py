"""Majority vote and mean of the members' probabilities."""

import numpy as np
import pytest

from made_up_cases import make_case


@pytest.fixture
def combine(tmp_path):
    def by(rule, *members):
        system = make_case("vote", tmp_path).create(rule=rule)
        return system.combine(np.array(members, dtype=float)[:, np.newaxis])[0]

    return by


def test_the_emotion_with_most_votes_wins_whatever_the_probabilities(combine):
    combined = combine("majority", [0.4, 0.3, 0.3], [0.4, 0.3, 0.3], [0.0, 0.0, 1.0])
    assert combined.argmax() == 0 and combined.sum() == pytest.approx(1)
    assert combine("mean", [0.4, 0.3, 0.3], [0.4, 0.3, 0.3], [0.0, 0.0, 1.0]).argmax() == 2


def test_ties_go_to_the_larger_sum_of_probabilities(combine):
    assert combine("majority", [0.6, 0.4, 0.0], [0.0, 0.9, 0.1]).argmax() == 1
    assert combine("majority", [0.9, 0.1, 0.0], [0.4, 0.6, 0.0]).argmax() == 0


def test_the_mean_is_that_of_the_probabilities(combine):
    np.testing.assert_allclose(combine("mean", [0.6, 0.4, 0.0], [0.0, 0.8, 0.2]), [0.3, 0.6, 0.1])

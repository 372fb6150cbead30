import pytest

from speech_emotion.search.agreement import central


def of(*pairs):
    return [{"C": c, "kernel": kernel} for c, kernel in pairs]


def test_a_set_that_all_folds_found_is_taken():
    assert central(of((1, "rbf"), (1, "rbf"))) == 0
    assert central(of((1, "rbf"))) == 0


def test_the_set_of_most_folds_is_taken():
    assert central(of((9, "rbf"), (1, "linear"), (1, "linear"))) == 1


def test_the_median_of_a_number_is_taken_whatever_its_scale():
    found = of((0.001, "rbf"), (10.0, "rbf"), (0.1, "rbf"), (0.01, "rbf"), (1.0, "rbf"))
    assert found[central(found)]["C"] == 0.1


def test_values_of_different_folds_are_not_mixed():
    found = of((0.01, "linear"), (0.02, "linear"), (0.03, "linear"), (5.0, "rbf"), (6.0, "rbf"))
    assert found[central(found)] in found[:3]


@pytest.mark.parametrize("value", [True, "a", [32, 64], None])
def test_values_that_are_not_numbers_are_equal_or_different(value):
    assert central([{"x": "other"}, {"x": value}, {"x": value}]) == 1


def test_the_first_of_equally_near_sets_is_taken():
    assert central(of((1, "rbf"), (2, "rbf"))) == 0

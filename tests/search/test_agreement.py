import pytest

from speech_emotion.search.agreement import central


def of(*pairs):
    return [{"C": c, "kernel": kernel} for c, kernel in pairs]


def test_folds_that_agree_keep_what_they_found():
    assert central(of((1, "rbf"), (1, "rbf"))) == 0
    assert central(of((1, "rbf"))) == 0


def test_what_most_folds_found_outweighs_one_that_differs():
    assert central(of((9, "rbf"), (1, "linear"), (1, "linear"))) == 1


def test_of_a_number_the_middle_is_taken_whatever_its_scale():
    found = of((0.001, "rbf"), (10.0, "rbf"), (0.1, "rbf"), (0.01, "rbf"), (1.0, "rbf"))
    assert found[central(found)]["C"] == 0.1


def test_a_choice_of_the_few_is_not_mixed_with_a_number_of_the_many():
    found = of((0.01, "linear"), (0.02, "linear"), (0.03, "linear"), (5.0, "rbf"), (6.0, "rbf"))
    assert found[central(found)] in found[:3]


@pytest.mark.parametrize("value", [True, "a", [32, 64], None])
def test_values_that_are_no_numbers_are_alike_or_not(value):
    assert central([{"x": "other"}, {"x": value}, {"x": value}]) == 1


def test_of_equally_near_sets_the_first_is_taken():
    assert central(of((1, "rbf"), (2, "rbf"))) == 0

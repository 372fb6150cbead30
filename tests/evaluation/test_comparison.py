"""Paired tests against enumeration, textbook values and naive loops."""

from itertools import product
from math import comb

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from made_up_results import LABELS, predictions, units, utterances
from speech_emotion.errors import UserError
from speech_emotion.evaluation.comparison import (
    COLUMNS,
    compare,
    compare_all,
    enumerated,
    holm,
    mcnemar,
    permutation_test,
    smallest_p,
)
from speech_emotion.evaluation.metrics import speaker_counts, unweighted_recall
from speech_emotion.evaluation.results import SystemResult, Units
from speech_emotion.params import Evaluate

PARAMS = Evaluate(calibration_bins=15, bootstrap_draws=500, confidence=0.95, permutation_draws=1000, seed=0)


def result(system: str, skill: float, seeds=(0,), rows=None, table=None) -> SystemResult:
    table = predictions(rows or utterances(), system, skill, seeds) if table is None else table
    ordered = table.sort_values(["seed", "fold", "id"], ignore_index=True)
    return SystemResult(system, Units.model_validate(units(table)), ordered, pd.DataFrame())


def test_mcnemar_by_hand():
    # 1 against 7: both tails of 8 throws of a fair coin
    assert mcnemar(1, 7) == pytest.approx(2 * (comb(8, 0) + comb(8, 1)) / 2**8)
    assert mcnemar(7, 1) == mcnemar(1, 7)


def test_mcnemar_of_systems_that_never_differ_is_one():
    assert mcnemar(0, 0) == 1
    assert mcnemar(5, 5) == 1


def test_holm_by_hand():
    # 0.01 * 3, then 0.02 * 2 = 0.04, then 0.03 * 1, raised to 0.04
    assert holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_keeps_the_order_and_stays_between_uncorrected_and_bonferroni(p_values):
    adjusted = holm(p_values)
    for p, q in zip(p_values, adjusted, strict=True):
        assert p <= q <= min(1, p * len(p_values)) + 1e-12
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()


def exchange_by_hand(speakers, truth, a, b):
    """Difference and exact p-value, computing UA again for every exchange."""

    def difference(exchanged):
        one, other = np.where(exchanged, b, a), np.where(exchanged, a, b)
        return unweighted_recall(truth, one) - unweighted_recall(truth, other)

    observed = difference(np.zeros(len(truth), dtype=bool))
    names = sorted(set(speakers))
    all_of_them = [
        difference(np.isin(speakers, [name for name, flip in zip(names, flips, strict=True) if flip]))
        for flips in product((False, True), repeat=len(names))
    ]
    return observed, np.mean([abs(one) >= abs(observed) - 1e-12 for one in all_of_them])


@pytest.mark.parametrize("seed", range(4))
def test_permutation_test_equals_computing_every_exchange(seed):
    random = np.random.default_rng(seed)
    speakers = np.repeat(list("abcde"), 8)
    truth = random.integers(0, 3, 40)
    a = np.where(random.random(40) < 0.7, truth, random.integers(0, 3, 40))
    b = np.where(random.random(40) < 0.4, truth, random.integers(0, 3, 40))
    right_a, total = speaker_counts(speakers, truth, a, 3)
    right_b, _ = speaker_counts(speakers, truth, b, 3)
    by_hand = exchange_by_hand(speakers, truth, a, b)
    assert permutation_test(right_a, right_b, total, 32, np.random.default_rng(0)) == pytest.approx(by_hand)


def test_drawn_exchanges_come_close_to_all_of_them():
    random = np.random.default_rng(3)
    total = np.full((12, 4), 5.0)
    right_a, right_b = random.binomial(5, 0.62, (12, 4)), random.binomial(5, 0.55, (12, 4))
    exact = permutation_test(right_a, right_b, total, 2**12, np.random.default_rng(0))
    drawn = permutation_test(right_a, right_b, total, 2**12 - 1, np.random.default_rng(0))
    assert drawn[0] == exact[0]
    assert drawn[1] == pytest.approx(exact[1], abs=0.03) and drawn[1] != exact[1]


def test_permutation_p_is_the_smallest_possible_when_one_system_wins_with_every_speaker():
    total = np.full((5, 2), 4.0)
    assert permutation_test(total, total - 1, total, 100, np.random.default_rng(0)) == (0.25, 2 / 2**5)
    assert smallest_p(5, 100) == 2 / 2**5
    assert not enumerated(5, 31) and smallest_p(30, 1000) == 1 / 1001


def test_permutation_p_of_equal_systems_is_one():
    total = np.full((5, 2), 4.0)
    assert permutation_test(total, total, total, 100, np.random.default_rng(0)) == (0, 1)


def test_permutation_p_is_uniform_enough_when_the_systems_are_equal():
    random = np.random.default_rng(5)
    total = np.full((8, 3), 6.0)
    p = [
        permutation_test(random.binomial(6, 0.6, (8, 3)), random.binomial(6, 0.6, (8, 3)), total, 256, random)[1]
        for _ in range(300)
    ]
    assert np.mean(np.array(p) <= 0.1) < 0.16


def test_compare_finds_the_better_system():
    pair = compare(result("good", 0.9), result("poor", 0.3), PARAMS)
    assert pair.difference == pytest.approx(pair.ua_a - pair.ua_b)
    assert pair.difference > 0.2 and pair.only_a > pair.only_b
    assert pair.permutation_p == smallest_p(6, 1000) and pair.mcnemar_p < 0.001


def test_compare_is_antisymmetric():
    a, b = result("a", 0.7), result("b", 0.5)
    one, other = compare(a, b, PARAMS), compare(b, a, PARAMS)
    assert one.difference == pytest.approx(-other.difference)
    assert (one.only_a, one.only_b) == (other.only_b, other.only_a)
    assert (one.permutation_p, one.mcnemar_p) == (other.permutation_p, other.mcnemar_p)


def test_mcnemar_counts_an_utterance_once_however_many_seeds():
    one, three = (compare(result("a", 0.7, s), result("b", 0.5, s), PARAMS) for s in ((0,), (0, 1, 2)))
    assert (one.only_a, one.only_b) == (three.only_a, three.only_b)
    assert one.difference != three.difference


def test_other_utterances_are_refused_by_name():
    table = predictions(utterances(), "b")
    missing = table["id"].iloc[7]
    with pytest.raises(UserError, match=f"1 predictions of a have no counterpart in b .*{missing}"):
        compare(result("a", 0.5), result("b", 0.5, table=table.drop(index=7)), PARAMS)


def test_other_truth_is_refused_by_name():
    table = predictions(utterances(), "b")
    changed = table["id"].iloc[0]
    table.loc[0, "emotion"] = LABELS[1]
    with pytest.raises(UserError, match=f"{changed}: true emotion = anger for a, happiness for b"):
        compare(result("a", 0.5), result("b", 0.5, table=table), PARAMS)


def test_compare_all_has_every_pair_once_and_corrects_over_them():
    table = compare_all([result("a", 0.9), result("b", 0.6), result("c", 0.3)], PARAMS)
    assert list(zip(table["system_a"], table["system_b"], strict=True)) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert tuple(table.columns) == COLUMNS
    assert (table["permutation_holm"] >= table["permutation_p"]).all()
    assert table["mcnemar_holm"].min() >= 3 * table["mcnemar_p"].min() * 0.999


def test_compare_all_of_one_system_is_empty():
    table = compare_all([result("a", 0.9)], PARAMS)
    assert table.empty and tuple(table.columns) == COLUMNS


def test_systems_are_compared_over_the_seeds_that_both_have():
    three, one = result("a", 0.7, (0, 1, 2)), result("b", 0.5, (0,))
    assert compare(three, one, PARAMS) == compare(result("a", 0.7, (0,)), one, PARAMS)
    with pytest.raises(UserError, match="a and b share no seed: train both with one of the same seeds"):
        compare(result("a", 0.7, (1,)), one, PARAMS)

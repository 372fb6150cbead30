from dataclasses import replace

import pytest

from made_up_results import predictions, utterances, write_system
from speech_emotion.errors import UserError
from speech_emotion.evaluation.comparison import Pair
from speech_emotion.evaluation.results import read_result
from speech_emotion.params import Evaluate, Registry
from speech_emotion.tracking.gate import Standing, decide, paired

PARAMS = Registry(name="speech-emotion", min_gain_points=1.0, alpha=0.05, lease_seconds=60)
EVALUATE = Evaluate(calibration_bins=15, bootstrap_draws=100, confidence=0.95, permutation_draws=1000, seed=0)
HELD = Standing(corpus="emodb", protocol="emodb-loso", data="ab" * 32, tested="1", synthetic=False, ua=70.0)
DEMO = Standing(corpus="demo", protocol="demo-speakers", data="cd" * 32, tested="2", synthetic=True, ua=90.0)


def never() -> Pair:
    pytest.fail("the paired test is not asked for where the gain decides")


def pair(p, difference=0.005) -> Pair:
    return Pair("t1", "t1", 0.7 + difference, 0.7, difference, p, 1, 0, 1.0)


def gate(newcomer, champion, test=never):
    return decide(newcomer, champion, 3, test, PARAMS)


def test_the_first_model_is_champion_even_a_synthetic_one():
    assert gate(HELD, None).alias == gate(DEMO, None).alias == "champion"


def test_a_gain_of_one_point_needs_no_test():
    decision = gate(replace(HELD, ua=71.0), HELD)
    assert decision.alias == "champion"
    assert "+1.00 points" in decision.reason


@pytest.mark.parametrize(("p", "alias"), [(0.049, "champion"), (0.05, "challenger"), (0.6, "challenger")])
def test_less_than_a_point_needs_the_paired_test(p, alias):
    decision = gate(replace(HELD, ua=70.99), HELD, lambda: pair(p))
    assert decision.alias == alias
    assert f"p = {p:g}" in decision.reason


@pytest.mark.parametrize("ua", [70.0, 60.0])
def test_an_equal_or_worse_model_is_challenger_without_a_test(ua):
    decision = gate(replace(HELD, ua=ua), HELD)
    assert decision.alias == "challenger"
    assert "not better" in decision.reason


@pytest.mark.parametrize(("name", "value"), [("corpus", "ravdess"), ("protocol", "emodb-random"), ("data", "ef" * 32)])
def test_a_better_model_of_another_corpus_protocol_or_data_is_not_comparable(name, value):
    decision = gate(replace(HELD, ua=99.0, **{name: value}), HELD)
    assert decision.alias == "challenger"
    assert decision.reason.startswith(f"not comparable: {name} {value[:12]}")


def test_a_model_tested_on_some_folds_is_not_compared_with_one_tested_on_all():
    decision = gate(replace(HELD, ua=99.0, tested="14"), HELD)
    assert decision.alias == "challenger"
    assert decision.reason.startswith("not comparable: other folds or utterances were tested than for version 3")
    assert "budgets.emodb.folds" in decision.reason


def test_a_model_that_is_worse_on_the_shared_seeds_is_challenger_even_if_significant():
    decision = gate(replace(HELD, ua=70.5), HELD, lambda: pair(0.01, -0.18))
    assert decision.alias == "challenger"
    assert decision.reason.endswith("but it is worse on the seeds that both have: -18.00 points")


def test_synthetic_speech_never_replaces_real_speech():
    decision = gate(DEMO, HELD)
    assert decision.alias == "challenger"
    assert "synthetic" in decision.reason


def test_real_speech_replaces_synthetic_speech_even_with_a_lower_figure():
    decision = gate(HELD, DEMO)
    assert decision.alias == "champion"
    assert "synthetic corpus demo" in decision.reason


def test_synthetic_models_are_compared_with_each_other():
    assert gate(replace(DEMO, ua=95.0), DEMO).alias == "champion"
    assert gate(replace(DEMO, ua=85.0), DEMO).alias == "challenger"


def test_lost_predictions_make_a_challenger_with_that_reason():
    def lost():
        raise UserError("the predictions of version 3 are gone from the store")

    decision = gate(replace(HELD, ua=70.5), HELD, lost)
    assert decision.alias == "challenger"
    assert decision.reason.endswith("no paired test: the predictions of version 3 are gone from the store")


@pytest.fixture
def results(tmp_path):
    def make(name, skill, seeds=(0,), **changed):
        write_system(tmp_path / name, predictions(utterances(), "t1" if skill > 0.5 else "k2", skill, seeds), **changed)
        return read_result(tmp_path / name, "t1")

    return make


def test_the_paired_test_finds_a_clear_difference_and_none_between_equals(results):
    good, bad = results("good", 0.95), results("bad", 0.1)
    assert paired(good, bad, EVALUATE).permutation_p < 0.05
    assert paired(good, bad, EVALUATE).difference > 0 > paired(bad, good, EVALUATE).difference
    assert paired(good, good, EVALUATE).permutation_p == 1.0


def test_only_shared_seeds_are_tested(results):
    one, three = results("one", 0.95), results("three", 0.95, seeds=(0, 1, 2))
    assert paired(one, three, EVALUATE).permutation_p == 1.0


def test_the_lack_of_a_common_seed_is_reported(results):
    with pytest.raises(UserError, match="no seed"):
        paired(results("one", 0.9, seeds=(1,)), results("two", 0.9, seeds=(2,)), EVALUATE)

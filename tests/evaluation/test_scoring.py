"""Figures of a system, compared with direct computations from its predictions."""

import numpy as np
import pandas as pd
import pytest

from made_up_results import LABELS, predictions, units, utterances
from speech_emotion.evaluation.metrics import unweighted_recall
from speech_emotion.evaluation.results import SystemResult, Units
from speech_emotion.evaluation.scoring import absent_labels, fold_uas, not_most_probable, score
from speech_emotion.params import Evaluate

PARAMS = Evaluate(calibration_bins=15, bootstrap_draws=500, confidence=0.95, permutation_draws=1000, seed=0)
ROWS = utterances()
SEXES = pd.Series({row.id: row.sex for row in ROWS})


def result(table: pd.DataFrame, **changed) -> SystemResult:
    ordered = table.sort_values(["seed", "fold", "id"], ignore_index=True)
    return SystemResult("a", Units.model_validate(units(table, **changed)), ordered, pd.DataFrame())


def ua_by_hand(table: pd.DataFrame) -> float:
    return 100 * np.mean([(group["predicted"] == label).mean() for label, group in table.groupby("emotion")])


def test_ua_is_pooled_over_folds_and_averaged_over_seeds():
    table = predictions(ROWS, "a", seeds=(0, 1, 2))
    figures = score(result(table), SEXES, PARAMS)
    seeds = [ua_by_hand(group) for _, group in table.groupby("seed")]
    assert figures["ua"] == figures["macro_recall"] == pytest.approx(np.mean(seeds), abs=0.006)
    assert figures["ua_seed_std"] == pytest.approx(np.std(seeds, ddof=1), abs=0.006)
    assert figures["wa"] == pytest.approx(100 * (table["emotion"] == table["predicted"]).mean(), abs=0.006)


def test_spread_over_folds_is_of_each_folds_own_ua():
    table = predictions(ROWS, "a")
    folds = [ua_by_hand(group) for _, group in table.groupby("fold")]
    assert score(result(table), SEXES, PARAMS)["ua_fold_std"] == pytest.approx(np.std(folds, ddof=1), abs=0.006)


def test_pooled_ua_is_not_the_mean_of_folds_where_a_speaker_lacks_an_emotion():
    table = predictions(ROWS, "a")
    # f1 lacks sadness; make all predictions for f1 wrong, and only those
    table["predicted"] = table["emotion"].where(table["speaker"] != "f1", "sadness")
    one = result(table)
    assert 100 * fold_uas(one).mean() == pytest.approx(100 * 5 / 6)
    assert score(one, SEXES, PARAMS)["ua"] == pytest.approx(100 * (3 * 5 / 6 + 1) / 4, abs=0.006)


def test_one_seed_and_one_fold_have_no_standard_deviation():
    table = predictions(ROWS, "a").assign(fold="test")
    figures = score(result(table), SEXES, PARAMS)
    assert "ua_seed_std" not in figures and "ua_fold_std" not in figures


def test_interval_holds_ua_and_is_the_same_for_the_same_seed():
    table = predictions(ROWS, "a")
    figures = score(result(table), SEXES, PARAMS)
    assert figures["ua_low"] < figures["ua"] < figures["ua_high"]
    assert figures == score(result(table.sample(frac=1, random_state=1)), SEXES, PARAMS)
    other = score(result(table), SEXES, PARAMS.model_copy(update={"seed": 1}))
    assert (other["ua_low"], other["ua_high"]) != (figures["ua_low"], figures["ua_high"])


def test_ece_is_of_the_predicted_labels_probability():
    table = predictions(ROWS, "a")
    for label in LABELS:
        table[f"p_{label}"] = np.where(table["predicted"] == label, 0.7, 0.1)
    accuracy = (table["emotion"] == table["predicted"]).mean()
    assert score(result(table), SEXES, PARAMS)["ece"] == pytest.approx(abs(accuracy - 0.7), abs=1e-4)


def test_each_class_against_counts():
    table = predictions(ROWS, "a")
    anger = score(result(table), SEXES, PARAMS)["per_class"]["anger"]
    hits = ((table["emotion"] == "anger") & (table["predicted"] == "anger")).sum()
    assert anger["recall"] == pytest.approx(100 * hits / (table["emotion"] == "anger").sum(), abs=0.006)
    assert anger["precision"] == pytest.approx(100 * hits / (table["predicted"] == "anger").sum(), abs=0.006)
    assert anger["support"] == 30


def test_each_sex_is_pooled_over_its_own_speakers():
    table = predictions(ROWS, "a", seeds=(0, 1))
    figures = score(result(table), SEXES, PARAMS)["per_sex"]
    women = table[table["speaker"].str.startswith("f")]
    by_hand = np.mean([ua_by_hand(group) for _, group in women.groupby("seed")])
    assert set(figures) == {"female", "male"}
    assert figures["female"]["ua"] == pytest.approx(by_hand, abs=0.006)


def test_speakers_of_unknown_sex_are_left_out_of_the_figures_by_sex():
    known = SEXES.where(~SEXES.index.str.contains("/m"), None)
    assert set(score(result(predictions(ROWS, "a")), known, PARAMS)["per_sex"]) == {"female"}
    unknown = pd.Series(None, index=SEXES.index, dtype=object)
    assert score(result(predictions(ROWS, "a")), unknown, PARAMS)["per_sex"] == {}


def test_an_emotion_without_utterances_is_left_out_and_reported():
    labels = (*LABELS, "fear")
    one = result(predictions(ROWS, "a", labels=labels))
    figures = score(one, SEXES, PARAMS)
    assert absent_labels(one) == ["fear"]
    assert "fear" not in figures["per_class"]
    assert figures["ua"] == pytest.approx(np.mean([each["recall"] for each in figures["per_class"].values()]), abs=0.01)


def test_predictions_by_vote_are_counted():
    table = predictions(ROWS, "a")
    assert not_most_probable(result(table)) == 0
    table.loc[0, "predicted"] = next(label for label in LABELS if label != table.loc[0, "predicted"])
    assert not_most_probable(result(table)) == pytest.approx(1 / len(table))


def test_parameters_are_left_out_where_a_system_names_none():
    table = predictions(ROWS, "a")
    assert score(result(table), SEXES, PARAMS)["parameters"] == 12345
    assert "parameters" not in score(result(table, parameters=None), SEXES, PARAMS)


def test_figures_hold_numbers_within_objects_only():
    def check(value):
        if isinstance(value, dict):
            return all(check(each) for each in value.values())
        return type(value) in (int, float) and np.isfinite(value)

    assert check(score(result(predictions(ROWS, "a", seeds=(0, 1))), SEXES, PARAMS))


def test_ua_agrees_with_the_metric_on_one_seed():
    one = result(predictions(ROWS, "a"))
    ua = 100 * unweighted_recall(one.truth, one.predicted)
    assert score(one, SEXES, PARAMS)["ua"] == pytest.approx(ua, abs=0.006)


def test_one_speaker_has_no_interval():
    table = predictions([row for row in ROWS if row.speaker == "f1"], "a")
    assert not {"ua_low", "ua_high"} & set(score(result(table), SEXES, PARAMS))

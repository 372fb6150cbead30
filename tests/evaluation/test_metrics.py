"""Figures against hand-computed cases and against properties that hold for any predictions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_emotion.errors import UserError
from speech_emotion.evaluation.metrics import (
    METRICS,
    Answers,
    bootstrap_interval,
    calibration_error,
    confusion,
    metric_of,
    scores,
    speaker_counts,
    unweighted_recall,
)

CLASSES = 4
quick = settings(max_examples=50, deadline=None)  # a slow machine fails no test


@st.composite
def labelled(draw):
    n = draw(st.integers(1, 40))
    codes = st.lists(st.integers(0, CLASSES - 1), min_size=n, max_size=n)
    return np.array(draw(codes)), np.array(draw(codes))


def test_ua_is_the_mean_of_recalls_and_wa_the_share_of_right_ones():
    truth = np.array([0, 0, 0, 0, 1, 1, 2])
    predicted = np.array([0, 0, 0, 1, 1, 0, 2])
    one = scores(truth, predicted)
    assert one.ua == pytest.approx((3 / 4 + 1 / 2 + 1) / 3)
    assert one.wa == pytest.approx(5 / 7)
    assert one.macro_precision == pytest.approx((3 / 4 + 1 / 2 + 1) / 3)
    assert one.macro_f1 == pytest.approx((3 / 4 + 1 / 2 + 1) / 3)
    assert one.per_class[0].support == 4 and one.per_class[2].f1 == 1


def test_precision_of_a_class_never_predicted_is_zero():
    one = scores(np.array([0, 0, 1]), np.array([0, 0, 0]))
    assert (one.per_class[1].precision, one.per_class[1].recall, one.per_class[1].f1) == (0, 0, 0)
    assert one.per_class[0].precision == pytest.approx(2 / 3)


def test_a_class_absent_from_the_truth_is_left_out_of_ua():
    # class 2 is predicted, but no utterance has it: this lowers the recall of class 0 and nothing else
    assert unweighted_recall(np.array([0, 0, 1]), np.array([0, 2, 1])) == pytest.approx((1 / 2 + 1) / 2)
    assert set(scores(np.array([0, 0, 1]), np.array([0, 2, 1])).per_class) == {0, 1}


def test_pooled_ua_differs_from_the_mean_of_folds_where_a_speaker_lacks_a_class():
    # speaker a: classes 0 and 1, all right; speaker b: only class 0, all wrong
    truth, predicted = np.array([0, 0, 1, 1, 0, 0]), np.array([0, 0, 1, 1, 1, 1])
    fold = np.array(["a", "a", "a", "a", "b", "b"])
    folds = [unweighted_recall(truth[fold == name], predicted[fold == name]) for name in ("a", "b")]
    assert np.mean(folds) == pytest.approx((1 + 0) / 2)
    assert unweighted_recall(truth, predicted) == pytest.approx((2 / 4 + 1) / 2)


def test_confusion_has_the_truth_in_rows():
    assert confusion(np.array([0, 0, 2]), np.array([0, 1, 2]), 3).tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]


@quick
@given(labelled())
def test_figures_lie_between_zero_and_one(pair):
    one = scores(*pair)
    values = [one.ua, one.wa, one.macro_precision, one.macro_recall, one.macro_f1]
    assert all(0 <= value <= 1 for value in values)
    assert sum(each.support for each in one.per_class.values()) == len(pair[0])


@quick
@given(labelled(), st.randoms(use_true_random=False))
def test_order_of_utterances_does_not_matter(pair, random):
    truth, predicted = pair
    order = random.sample(range(len(truth)), len(truth))
    assert scores(truth, predicted) == scores(truth[order], predicted[order])


@quick
@given(labelled(), st.permutations(range(CLASSES)))
def test_names_of_classes_do_not_matter(pair, names):
    names = np.array(names)
    one, other = scores(*pair), scores(names[pair[0]], names[pair[1]])
    assert one.ua == pytest.approx(other.ua) and one.macro_f1 == pytest.approx(other.macro_f1)


@quick
@given(labelled())
def test_ua_agrees_with_a_plain_loop(pair):
    truth, predicted = pair
    recalls = []
    for code in range(CLASSES):
        rows = [p for t, p in zip(truth, predicted, strict=True) if t == code]
        if rows:
            recalls.append(rows.count(code) / len(rows))
    assert unweighted_recall(truth, predicted) == pytest.approx(sum(recalls) / len(recalls))


@quick
@given(labelled())
def test_doubling_a_class_changes_wa_but_not_ua(pair):
    truth, predicted = pair
    more = truth == truth[0]
    grown = np.concatenate([truth, truth[more]]), np.concatenate([predicted, predicted[more]])
    assert unweighted_recall(*grown) == pytest.approx(unweighted_recall(truth, predicted))


def test_all_right_is_one_and_all_wrong_is_zero():
    truth = np.array([0, 1, 2, 2])
    assert scores(truth, truth).ua == scores(truth, truth).macro_f1 == 1
    assert scores(truth, (truth + 1) % 3).ua == 0


def test_calibration_error_of_a_case_by_hand():
    # bins of 0.5: (0, 0.5] holds 0.4 and 0.5, (0.5, 1] holds 0.9 and 0.9
    confidence = np.array([0.4, 0.5, 0.9, 0.9])
    right = np.array([True, False, True, False])
    by_hand = 2 / 4 * abs(0.5 - 0.45) + 2 / 4 * abs(0.5 - 0.9)
    assert calibration_error(confidence, right, 2) == pytest.approx(by_hand)


def test_calibration_error_is_zero_when_always_sure_and_right_and_one_when_sure_and_wrong():
    sure = np.ones(5)
    assert calibration_error(sure, np.ones(5, dtype=bool), 15) == 0
    assert calibration_error(sure, np.zeros(5, dtype=bool), 15) == 1


@quick
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30), st.integers(2, 20))
def test_calibration_error_is_bounded_and_at_least_the_gap_over_all(rows, bins):
    confidence, right = (np.array(column) for column in zip(*rows, strict=True))
    error = calibration_error(confidence, right, bins)
    assert -1e-12 <= error <= 1 + 1e-12
    assert error >= abs(right.mean() - confidence.mean()) - 1e-12  # triangle inequality


def test_speaker_counts_by_hand():
    speakers = np.array(["b", "a", "b", "b"])
    right, total = speaker_counts(speakers, np.array([0, 1, 0, 2]), np.array([0, 1, 1, 0]), 3)
    assert total.tolist() == [[0, 1, 0], [2, 0, 1]]
    assert right.tolist() == [[0, 1, 0], [1, 0, 0]]


def test_bootstrap_interval_of_equal_speakers_is_a_point():
    right, total = np.full((6, 3), 2.0), np.full((6, 3), 4.0)
    assert bootstrap_interval(right, total, 500, 0.95, np.random.default_rng(0)) == (0.5, 0.5)


def test_bootstrap_interval_of_two_speakers_by_hand():
    # one speaker all right, one all wrong: UA is 1, 1/2 or 0 with probability 1/4, 1/2, 1/4
    right, total = np.array([[4.0], [0.0]]), np.array([[4.0], [4.0]])
    assert bootstrap_interval(right, total, 2000, 0.9, np.random.default_rng(0)) == (0.0, 1.0)
    assert bootstrap_interval(right, total, 2000, 0.2, np.random.default_rng(0)) == (0.5, 0.5)


def test_bootstrap_interval_matches_resampling_utterance_lists():
    random = np.random.default_rng(1)
    speakers = np.repeat(np.arange(8), 12)
    truth = random.integers(0, 3, 96)
    predicted = np.where(random.random(96) < 0.6, truth, random.integers(0, 3, 96))
    interval = bootstrap_interval(*speaker_counts(speakers, truth, predicted, 3), 4000, 0.95, np.random.default_rng(2))
    uas = []
    for _ in range(1500):
        rows = np.concatenate([np.flatnonzero(speakers == one) for one in random.integers(0, 8, 8)])
        recalls = [np.mean(predicted[rows][truth[rows] == code] == code) for code in range(3)]
        uas.append(np.mean(recalls))
    assert interval == pytest.approx(np.quantile(uas, [0.025, 0.975]), abs=0.015)


def test_bootstrap_takes_resamples_that_lack_a_class():
    right, total = np.array([[3.0, 0.0], [1.0, 2.0]]), np.array([[4.0, 0.0], [4.0, 4.0]])
    low, high = bootstrap_interval(right, total, 2000, 0.99, np.random.default_rng(0))
    assert low == pytest.approx((1 / 4 + 2 / 4) / 2) and high == pytest.approx(3 / 4)


def test_bootstrap_interval_widens_with_confidence():
    right, total = np.arange(10.0)[:, None], np.full((10, 1), 9.0)
    narrow = bootstrap_interval(right, total, 2000, 0.5, np.random.default_rng(0))
    wide = bootstrap_interval(right, total, 2000, 0.99, np.random.default_rng(0))
    assert wide[0] < narrow[0] < 0.5 < narrow[1] < wide[1]


def test_the_table_names_each_metric_by_its_key():
    assert all(key == metric.key for key, metric in METRICS.items())
    assert all(metric.repeats in METRICS for metric in METRICS.values() if metric.repeats)
    assert len({metric.title for metric in METRICS.values()}) == len(METRICS)


@pytest.mark.parametrize("key", METRICS)
def test_every_metric_tells_right_from_wrong_in_its_direction(key):
    truth = np.array([0, 1, 1, 2])
    right, wrong = (
        METRICS[key].of(Answers(truth, predicted, np.eye(3)[predicted], 10)) for predicted in (truth, (truth + 1) % 3)
    )
    assert {right, wrong} == {0.0, 1.0}
    assert (right > wrong) is METRICS[key].higher_is_better


def test_percent_keeps_two_decimals_and_shows_one_and_a_share_keeps_four_and_shows_three():
    wa, ece = METRICS["wa"], METRICS["ece"]
    assert (wa.kept(2 / 3), wa.shown(66.67), wa.shown(66.67, unit=True), wa.heading) == (
        66.67,
        "66.7",
        "66.7 %",
        "WA %",
    )
    assert (ece.kept(1 / 3), ece.shown(0.3333), ece.shown(0.3333, unit=True), ece.heading) == (
        0.3333, "0.333", "0.333", "ECE",
    )  # fmt: skip
    assert wa.shown(None) == "-"


def test_a_metric_that_is_none_is_refused_with_those_that_are():
    assert metric_of("ece", "x") is METRICS["ece"]
    with pytest.raises(UserError, match=r"params\.yaml: select\.metric = f1: must be one of ua, wa, .*, ece"):
        metric_of("f1", "params.yaml: select.metric")

"""The figures of one system, in percent, as they are stored in metrics.json.

Each figure is computed on the pooled predictions of all folds of a seed, since some speakers lack some classes, and
averaged over the seeds. For UA the standard deviations over folds and over seeds are given too.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from speech_emotion.evaluation.metrics import (
    METRICS,
    Answers,
    Metric,
    bootstrap_interval,
    speaker_counts,
    unweighted_recall,
)
from speech_emotion.evaluation.results import SystemResult
from speech_emotion.params import Evaluate
from speech_emotion.randomness import generator


def percent(share: float) -> float:
    """A share in [0, 1] as percent with two decimals."""
    return round(100 * float(share), 2)


def absent_labels(result: SystemResult) -> list[str]:
    """Labels of the protocol that no tested utterance has: they have no recall, so UA leaves them out."""
    held = set(result.predictions["emotion"])
    return [label for label in result.labels if label not in held]


def not_most_probable(result: SystemResult) -> float:
    """Share of the predictions, in [0, 1], that are not the most probable label, as after a majority vote."""
    return float(np.mean(result.confidence < result.probabilities.max(axis=1)))


def score(result: SystemResult, sexes: pd.Series, params: Evaluate) -> dict[str, Any]:
    """All figures of one system, as nested objects of numbers: DVC drops lists.

    Args:
        result: the system's checked predictions.
        sexes: utterance id -> female, male or missing.
        params: number of draws, confidence level, bins and seed.

    Returns:
        Each of METRICS under its key (percent or share);
        ua_low, ua_high (percent, bootstrap interval of UA over speakers; left out if only one speaker was tested);
        ua_fold_std, ua_seed_std (percentage points, standard deviation with n - 1; left out if there is only one fold
        or seed); parameters (left out if the system states none); per_class: label -> precision, recall, f1 (percent),
        support (utterances); per_sex: sex -> the metrics with by_sex.
    """
    seeds = result.predictions["seed"].to_numpy()
    by_seed = [_answers(result, seeds == seed, params) for seed in np.unique(seeds)]
    figures: dict[str, Any] = _figures(METRICS.values(), by_seed)
    folds = fold_uas(result)
    if len(folds) > 1:
        figures["ua_fold_std"] = percent(np.std(folds, ddof=1))
    if len(by_seed) > 1:
        figures["ua_seed_std"] = percent(np.std([one.scores.ua for one in by_seed], ddof=1))
    counts = speaker_counts(
        result.predictions["speaker"].to_numpy(), result.truth, result.predicted, len(result.labels)
    )
    # the same key for all systems, so that they share the same resamples of speakers
    random = generator(params.seed, "bootstrap", result.units.corpus, result.units.protocol)
    if len(counts[0]) > 1:
        low, high = bootstrap_interval(*counts, params.bootstrap_draws, params.confidence, random)
        figures["ua_low"], figures["ua_high"] = percent(low), percent(high)
    if result.units.parameters is not None:
        figures["parameters"] = result.units.parameters
    figures["per_class"] = {result.labels[code]: _class_figures(by_seed, code) for code in by_seed[0].scores.per_class}
    figures["per_sex"] = _sex_figures(result, sexes, params)
    return figures


def fold_uas(result: SystemResult) -> np.ndarray:
    """(folds,) UA of each fold over the classes present in it, averaged over the seeds, in [0, 1]."""
    table = result.predictions[["seed", "fold"]].assign(truth=result.truth, predicted=result.predicted)
    uas = {
        key: unweighted_recall(unit["truth"].to_numpy(), unit["predicted"].to_numpy())
        for key, unit in table.groupby(["seed", "fold"])
    }
    return pd.Series(uas).groupby(level=1).mean().to_numpy()


def _answers(result: SystemResult, rows: np.ndarray, params: Evaluate) -> Answers:
    return Answers(result.truth[rows], result.predicted[rows], result.probabilities[rows], params.calibration_bins)


def _figures(metrics: Iterable[Metric], by_seed: list[Answers]) -> dict[str, float]:
    return {metric.key: metric.kept(np.mean([metric.of(one) for one in by_seed])) for metric in metrics}


def _class_figures(by_seed: list[Answers], code: int) -> dict[str, float]:
    classes = [one.scores.per_class[code] for one in by_seed]
    return {
        "precision": percent(np.mean([one.precision for one in classes])),
        "recall": percent(np.mean([one.recall for one in classes])),
        "f1": percent(np.mean([one.f1 for one in classes])),
        "support": classes[0].support,
    }


def _sex_figures(result: SystemResult, sexes: pd.Series, params: Evaluate) -> dict[str, dict[str, float]]:
    sex = result.predictions["id"].map(sexes)
    metrics = [metric for metric in METRICS.values() if metric.by_sex]
    # pooled over seeds: all seeds test the same utterances, so recall and accuracy are the means over seeds
    return {
        value: _figures(metrics, [_answers(result, (sex == value).to_numpy(), params)])
        for value in sorted(sex.dropna().unique())
    }

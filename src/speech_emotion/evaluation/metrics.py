"""Metrics over labels and probabilities, as numbers in [0, 1].

Labels are codes, integers in [0, classes). UA (unweighted average recall, the macro recall of the field) and
the macro figures are means over the classes that the truth holds: a class without an utterance has no recall,
so it is left out rather than counted as 0.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support, recall_score


@dataclass(frozen=True)
class ClassScores:
    """One class: precision, recall and F1 in [0, 1]; support in utterances."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Scores:
    """Figures of one set of predictions, in [0, 1].

    Attributes:
        ua: unweighted average recall; equals macro_recall.
        wa: weighted average recall, that is accuracy.
        per_class: code -> figures of each class that the truth holds.
    """

    ua: float
    wa: float
    macro_precision: float
    macro_recall: float
    macro_f1: float
    per_class: dict[int, ClassScores]


def unweighted_recall(truth: np.ndarray, predicted: np.ndarray) -> float:
    """UA over the classes that the truth holds.

    Args:
        truth: (utterances,) codes, at least one.
        predicted: (utterances,) codes.
    """
    return float(recall_score(truth, predicted, labels=np.unique(truth), average="macro", zero_division=0.0))


def scores(truth: np.ndarray, predicted: np.ndarray) -> Scores:
    """All figures of one set of predictions, (utterances,) codes each, at least one utterance.

    The precision of a class that is never predicted is 0, and so is its F1.
    """
    present = np.unique(truth)
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, predicted, labels=present, zero_division=0.0
    )
    per_class = {
        int(code): ClassScores(float(precision[i]), float(recall[i]), float(f1[i]), int(support[i]))
        for i, code in enumerate(present)
    }
    return Scores(
        ua=float(recall.mean()),
        wa=float(accuracy_score(truth, predicted)),
        macro_precision=float(precision.mean()),
        macro_recall=float(recall.mean()),
        macro_f1=float(f1.mean()),
        per_class=per_class,
    )


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """(classes, classes) counts: row the truth, column the prediction."""
    return confusion_matrix(truth, predicted, labels=np.arange(classes))


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int) -> float:
    """Expected calibration error, in [0, 1].

    Guo et al. 2017, "On calibration of modern neural networks", equation 3: the mean over utterances of
    |accuracy - mean confidence| of their bin; bin m of M holds confidences in ((m - 1) / M, m / M].

    Args:
        confidence: (utterances,) probability of the predicted label.
        right: (utterances,) whether the predicted label is the true one.
        bins: M, of equal width.
    """
    bin_of = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(bin_of, weights=right.astype(float) - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def speaker_counts(
    speakers: np.ndarray, truth: np.ndarray, predicted: np.ndarray, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Counts by speaker and class: what UA needs, once speakers are drawn anew or exchanged.

    Args:
        speakers: (utterances,) names.

    Returns:
        Utterances rightly recognised and utterances, (speakers, classes) each, in the sorted order of
        speakers' names.
    """
    names, speaker = np.unique(speakers, return_inverse=True)
    total = np.zeros((len(names), classes))
    right = np.zeros((len(names), classes))
    np.add.at(total, (speaker, truth), 1)
    np.add.at(right, (speaker, truth), predicted == truth)
    return right, total


def bootstrap_interval(
    right: np.ndarray, total: np.ndarray, draws: int, confidence: float, generator: np.random.Generator
) -> tuple[float, float]:
    """Percentile bootstrap interval of UA over speakers (Efron & Tibshirani 1993, chapter 13).

    Whole speakers are drawn with replacement, since utterances of one speaker are not independent. A draw
    that lacks a class takes the mean over the classes that it holds.

    Args:
        right: (speakers, classes) utterances rightly recognised.
        total: (speakers, classes) utterances.
        draws: number of resamples.
        confidence: share of the resamples that the interval spans, e.g. 0.95.

    Returns:
        Lower and upper end, in [0, 1].
    """
    speakers = len(total)
    times = generator.multinomial(speakers, np.full(speakers, 1 / speakers), size=draws).astype(float)
    drawn = times @ total
    with np.errstate(invalid="ignore"):
        recall = np.where(drawn > 0, (times @ right) / drawn, np.nan)
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.nanmean(recall, axis=1), [tail, 1 - tail])
    return float(low), float(high)

"""Metrics of labels and probabilities, as numbers in [0, 1], and METRICS, the table of the reported ones.

To add a metric, add one entry to METRICS. Everything else reads that table: metrics.json, report.md,
`speech-emotion table`, DVC's and Kubeflow's figures, MLflow's runs, views and pages, the tags of a registered version,
model cards, the papers' claims and `select.metric`.

Labels are codes, integers in [0, classes). UA (unweighted average recall, also called macro recall) and the
macro figures are means over the classes that occur in the truth. A class without an utterance has no recall, so it is
left out rather than counted as 0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support, recall_score

from speech_emotion.errors import UserError

PRIMARY = "ua"  # ranks the systems; the interval and the standard deviations are of this metric


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
        wa: weighted average recall, i.e. accuracy.
        per_class: code -> figures, for each class that occurs in the truth.
    """

    ua: float
    wa: float
    macro_precision: float
    macro_recall: float
    macro_f1: float
    per_class: dict[int, ClassScores]


def unweighted_recall(truth: np.ndarray, predicted: np.ndarray) -> float:
    """UA over the classes that occur in the truth.

    Args:
        truth: (utterances,) codes, at least one.
        predicted: (utterances,) codes.
    """
    return float(recall_score(truth, predicted, labels=np.unique(truth), average="macro", zero_division=0.0))


def scores(truth: np.ndarray, predicted: np.ndarray) -> Scores:
    """All figures of one set of predictions.

    The precision of a class that is never predicted is 0, and so is its F1.

    Args:
        truth: (utterances,) codes, at least one.
        predicted: (utterances,) codes.
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
    """(classes, classes) counts of utterances: rows are the true classes, columns the predicted ones."""
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
    """Counts by speaker and class, from which UA is computed when speakers are resampled or exchanged.

    Args:
        speakers: (utterances,) names.
        truth: (utterances,) codes.
        predicted: (utterances,) codes.
        classes: number of classes.

    Returns:
        Numbers of correctly recognised utterances and of all utterances, (speakers, classes) each, sorted by the
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

    Whole speakers are drawn with replacement, since utterances of one speaker are not independent. In a
    resample that lacks a class, UA is the mean over the classes that it contains.

    Args:
        right: (speakers, classes) numbers of correctly recognised utterances.
        total: (speakers, classes) numbers of utterances.
        draws: number of resamples.
        confidence: share of the resamples that the interval covers, e.g. 0.95.
        generator: draws the resamples.

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


@dataclass(frozen=True)
class Answers:
    """A system's predictions for some utterances and the true labels; codes are integers in [0, classes).

    Attributes:
        truth: (utterances,) codes, at least one.
        predicted: (utterances,) codes; not always the most probable ones, e.g. after a majority vote.
        probabilities: (utterances, classes), rows sum to 1.
        bins: number of bins of the calibration error.
    """

    truth: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray
    bins: int

    @cached_property
    def scores(self) -> Scores:
        """Figures that depend on the labels only."""
        return scores(self.truth, self.predicted)

    @property
    def confidence(self) -> np.ndarray:
        """(utterances,) probability of the predicted label."""
        return self.probabilities[np.arange(len(self.predicted)), self.predicted]


@dataclass(frozen=True)
class Metric:
    """One metric: how it is computed and shown.

    Attributes:
        key: its name in metrics.json, MLflow and params.yaml; small letters and underscores.
        title: heading of its column.
        words: its name in a sentence.
        of: computes its value from answers, in [0, 1].
        percent: whether it is stored and shown in percent; otherwise as a share.
        higher_is_better: whether the best system has the highest value, or the lowest.
        headline: whether the short tables show it too and registered versions carry it as a tag.
        by_sex: whether it is also computed for each sex.
        repeats: key of the metric that it equals by definition; such a metric is only in the full table.
    """

    key: str
    title: str
    words: str
    of: Callable[[Answers], float]
    percent: bool = True
    higher_is_better: bool = True
    headline: bool = False
    by_sex: bool = False
    repeats: str = ""

    @property
    def heading(self) -> str:
        """Heading of its column in tables whose cells do not show the unit."""
        return f"{self.title} %" if self.percent else self.title

    @property
    def most(self) -> float:
        """The highest possible value in metrics.json: 100 for percent, 1 for a share."""
        return 100.0 if self.percent else 1.0

    def kept(self, value: float) -> float:
        """Converts a value in [0, 1] to the form of metrics.json: percent with two decimals, or a share with four."""
        return round(100 * float(value), 2) if self.percent else round(float(value), 4)

    def shown(self, kept: float | None, unit: bool = False) -> str:
        """A value of metrics.json as text: one decimal, or three for a share; "-" for None.

        Args:
            kept: the value.
            unit: whether to append " %" to a figure in percent.
        """
        if kept is None:
            return "-"
        return f"{kept:.1f}{' %' if unit else ''}" if self.percent else f"{kept:.3f}"


METRICS = {
    metric.key: metric
    for metric in (
        Metric("ua", "UA", "unweighted average recall", lambda one: one.scores.ua, headline=True, by_sex=True),
        Metric("wa", "WA", "accuracy", lambda one: one.scores.wa, headline=True, by_sex=True),
        Metric("macro_precision", "macro P", "macro precision", lambda one: one.scores.macro_precision),
        Metric("macro_recall", "macro R", "macro recall", lambda one: one.scores.macro_recall, repeats="ua"),
        Metric("macro_f1", "macro F1", "macro F1", lambda one: one.scores.macro_f1, headline=True),
        Metric(
            "ece",
            "ECE",
            "expected calibration error",
            lambda one: calibration_error(one.confidence, one.truth == one.predicted, one.bins),
            percent=False,
            higher_is_better=False,
            headline=True,
        ),
    )
}


def headline() -> list[Metric]:
    """The metrics of the short tables, in the table's order."""
    return [metric for metric in METRICS.values() if metric.headline]


def headline_figures() -> tuple[str, ...]:
    """Keys of metrics.json in the short tables: the headline metrics, and the interval next to the first."""
    others = [metric.key for metric in headline() if metric.key != PRIMARY]
    return (PRIMARY, f"{PRIMARY}_low", f"{PRIMARY}_high", *others)


def metric_of(key: str, where: str) -> Metric:
    """The metric with the given key.

    Args:
        key: key of METRICS.
        where: file and parameter in which the key was given, for the message.

    Raises:
        UserError: there is no such metric.
    """
    if key not in METRICS:
        raise UserError(f"{where} = {key}: must be one of {', '.join(METRICS)}")
    return METRICS[key]

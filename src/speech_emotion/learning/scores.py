"""Measures of predicted probabilities, and the temperature that calibrates them."""

import numpy as np
from scipy.special import log_softmax
from sklearn.metrics import recall_score

TEMPERATURES = np.geomspace(0.05, 20.0, 121)


def cross_entropy(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Mean negative log-likelihood of the targets (N,) under the probabilities (N, C)."""
    chosen = probabilities[np.arange(len(targets)), targets]
    return float(-np.log(np.maximum(chosen, 1e-12)).mean())


def unweighted_recall(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Recall averaged over the classes that occur among the targets, 0 to 1.

    Args:
        probabilities: (N, C).
        targets: (N,) class numbers.
    """
    return float(
        recall_score(targets, probabilities.argmax(axis=1), labels=np.unique(targets), average="macro", zero_division=0)
    )


def likeliest_temperature(scores: np.ndarray, targets: np.ndarray) -> float:
    """The temperature for which softmax(scores / temperature) gives the targets the highest likelihood.

    Guo et al. 2017, "On Calibration of Modern Neural Networks".

    Args:
        scores: (N, C); -inf for a class without training utterances.
        targets: (N,) class numbers.
    """
    rows = np.arange(len(targets))
    known = np.isfinite(scores[rows, targets])
    losses = [-log_softmax(scores[known] / t, axis=1)[rows[: known.sum()], targets[known]].sum() for t in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])

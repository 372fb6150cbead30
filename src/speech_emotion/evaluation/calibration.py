"""Temperature scaling of probabilities (Guo et al. 2017, "On calibration of modern neural networks", section 4.2).

It is applied to an utterance's probabilities p, the mean over its windows: softmax(log p / T). With one window this
equals softmax(logits / T). The most probable emotion stays the same.
"""

import numpy as np

from speech_emotion_jetson.temperature import tempered

TEMPERATURES = np.geomspace(0.25, 4.0, 401)  # a best value at an end points to a fault of the model, not of its scale


def best_temperature(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """The temperature of TEMPERATURES with the least Brier score, the mean of sum_c (p_c - [c is true])^2.

    Guo et al. use the likelihood. For a mean over windows, a few utterances that are confidently wrong dominate it: its
    temperature did not lower T1's calibration error on new speakers of EMO-DB, while the Brier score's lowered it by a
    fifth. Both scores are proper (Brier 1950; Gneiting and Raftery 2007).

    Args:
        probabilities: (utterances, classes) of a model that was not trained on these utterances.
        targets: (utterances,) true classes.
    """
    truth = np.eye(probabilities.shape[1])[targets]
    scores = [np.square(tempered(probabilities, temperature) - truth).sum() for temperature in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(scores))])


def cross_fitted(probabilities: np.ndarray, targets: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Scales each group's probabilities by the temperature fitted on the other groups.

    Args:
        probabilities: (utterances, classes) of a model that was not trained on these utterances.
        targets: (utterances,) true classes.
        groups: (utterances,) speakers; with fewer than two of them the probabilities stay as they are.

    Returns:
        (utterances, classes) scaled probabilities.
    """
    result = probabilities.copy()
    for group in np.unique(groups) if len(np.unique(groups)) > 1 else ():
        own = groups == group
        result[own] = tempered(probabilities[own], best_temperature(probabilities[~own], targets[~own]))
    return result

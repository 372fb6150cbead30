"""Temperature scaling of probabilities (Guo et al. 2017, "On calibration of modern neural networks", section 4.2).

It acts on an utterance's probabilities p, the mean over its windows: softmax(log p / T). With one window that is
softmax(logits / T) itself. The emotion with the greatest probability stays the same.
"""

import numpy as np

from speech_emotion_jetson.temperature import tempered

TEMPERATURES = np.geomspace(0.25, 4.0, 401)  # a value at an end says that the model, not its scale, is at fault


def best_temperature(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """The temperature of TEMPERATURES with the least Brier score, the mean of sum_c (p_c - [c is true])^2.

    Guo et al. take the likelihood. That of a mean over windows is ruled by a few utterances that are surely wrong, and
    its temperature left T1's calibration error on unheard speakers of EMO-DB where it was; this one lowered it by a
    fifth. Both scores are proper (Brier 1950; Gneiting and Raftery 2007).

    Args:
        probabilities: (utterances, classes) of a model that did not hear these utterances.
        targets: (utterances,) true classes.
    """
    truth = np.eye(probabilities.shape[1])[targets]
    scores = [np.square(tempered(probabilities, temperature) - truth).sum() for temperature in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(scores))])


def cross_fitted(probabilities: np.ndarray, targets: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Each group's probabilities at the temperature that the other groups ask for: (utterances, classes).

    Args:
        groups: (utterances,) speakers; with fewer than two of them the probabilities stay as they are.
    """
    result = probabilities.copy()
    for group in np.unique(groups) if len(np.unique(groups)) > 1 else ():
        own = groups == group
        result[own] = tempered(probabilities[own], best_temperature(probabilities[~own], targets[~own]))
    return result

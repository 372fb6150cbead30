"""Describes the training speech as a Likeness; its threshold comes from speakers that were left out."""

from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.model_selection import GroupKFold

from speech_emotion.errors import UserError
from speech_emotion_jetson.likeness import Likeness, Stretches

MOST_FOLDS = 10


def stretches(samples: np.ndarray, rate: int) -> np.ndarray:
    """The measures (stretches, D) of a whole waveform (n,) at `rate` Hz, as `Stretches` gives them."""
    taken = Stretches(rate)
    taken.push(samples)
    return taken.finish()


def fit_likeness(rows: Mapping[str, np.ndarray], speakers: Mapping[str, str], share: float, margin: float) -> Likeness:
    """Describes the training speech.

    Args:
        rows: id -> measures (stretches, D) of an utterance; silent ones have none and are left out.
        speakers: id -> speaker.
        share: of the utterances of speakers left out in turn that lie beyond the mark, 0..1.
        margin: the threshold is this many times the mark, for speakers that differ more than those at hand.

    Raises:
        UserError: no utterance can be measured.
    """
    ids = [id for id in rows if len(rows[id])]
    if not ids:
        raise UserError("training utterances = all silent: nothing to compare other sounds with")
    distances = left_out_distances(rows, speakers)
    threshold = margin * float(np.quantile(list(distances.values()), 1 - share))
    return _spread([rows[id] for id in ids], threshold)


def left_out_distances(rows: Mapping[str, np.ndarray], speakers: Mapping[str, str]) -> dict[str, float]:
    """Each utterance's distance from the speech of other speakers, in units of no threshold (1).

    At most ten folds of whole speakers; where there is one speaker only, folds of utterances.
    """
    ids = [id for id in rows if len(rows[id])]
    groups = [speakers[id] for id in ids]
    if len(set(groups)) < 2:
        groups = ids
    if len(set(groups)) < 2:
        return {id: _spread([rows[id]], 1.0).distance(rows[id]) for id in ids}
    found = {}
    for train, test in GroupKFold(min(MOST_FOLDS, len(set(groups)))).split(ids, groups=groups):
        fitted = _spread([rows[ids[place]] for place in train], 1.0)
        found |= {ids[place]: fitted.distance(rows[ids[place]]) for place in test}
    return found


def _spread(rows: Sequence[np.ndarray], threshold: float) -> Likeness:
    stacked = np.concatenate(rows)
    scale = stacked.std(axis=0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    covariance = LedoitWolf().fit(stacked / scale)
    values, vectors = np.linalg.eigh(covariance.covariance_)
    whiten = (vectors / np.sqrt(np.maximum(values, 1e-6))).T / scale
    return Likeness(stacked.mean(axis=0), whiten, threshold)

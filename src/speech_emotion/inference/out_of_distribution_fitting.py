"""Fits the out-of-distribution detector to the training speech; its threshold comes from held-out speakers."""

from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.model_selection import GroupKFold

from speech_emotion.errors import UserError
from speech_emotion_jetson.out_of_distribution import OodDetector, Segments

MOST_FOLDS = 10


def segments(samples: np.ndarray, rate: int) -> np.ndarray:
    """The measures (segments, D) of a waveform (n,) at `rate` Hz, without pauses; (0,) if all of it is silent."""
    taken = Segments(rate)
    taken.push(samples)
    return taken.finish()


def fit_detector(
    rows: Mapping[str, np.ndarray], speakers: Mapping[str, str], share: float, margin: float
) -> OodDetector:
    """Fits the detector.

    Args:
        rows: id -> measures (segments, D) of an utterance; silent ones have none and are left out.
        speakers: id -> speaker.
        share: 0..1; this share of the utterances, each scored without its speaker, is above the quantile that sets
            the threshold.
        margin: the threshold is this many times that quantile, for speakers who differ more than the training
            speakers do.

    Raises:
        UserError: all utterances are silent.
    """
    ids = [id for id in rows if len(rows[id])]
    if not ids:
        raise UserError(
            "training utterances = all silent: the out-of-distribution detector needs speech: check the corpus"
        )
    distances = left_out_scores(rows, speakers)
    threshold = margin * float(np.quantile(list(distances.values()), 1 - share))
    return _spread([rows[id] for id in ids], threshold)


def left_out_scores(rows: Mapping[str, np.ndarray], speakers: Mapping[str, str]) -> dict[str, float]:
    """id -> out-of-distribution score, with threshold 1, of each utterance by a detector fitted without its speaker.

    Speakers are split into at most MOST_FOLDS folds; with only one speaker, utterances are.

    Args:
        rows: id -> measures (segments, D) of an utterance; silent ones are left out.
        speakers: id -> speaker.
    """
    ids = [id for id in rows if len(rows[id])]
    groups = [speakers[id] for id in ids]
    if len(set(groups)) < 2:
        groups = ids
    if len(set(groups)) < 2:
        return {id: _spread([rows[id]], 1.0).score(rows[id]) for id in ids}
    found = {}
    for train, test in GroupKFold(min(MOST_FOLDS, len(set(groups)))).split(ids, groups=groups):
        fitted = _spread([rows[ids[place]] for place in train], 1.0)
        found |= {ids[place]: fitted.score(rows[ids[place]]) for place in test}
    return found


def _spread(rows: Sequence[np.ndarray], threshold: float) -> OodDetector:
    stacked = np.concatenate(rows)
    scale = stacked.std(axis=0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    covariance = LedoitWolf().fit(stacked / scale)
    values, vectors = np.linalg.eigh(covariance.covariance_)
    whiten = (vectors / np.sqrt(np.maximum(values, 1e-6))).T / scale
    return OodDetector(stacked.mean(axis=0), whiten, threshold)

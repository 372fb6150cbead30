"""What a trial is judged on: splits of an outer fold's training and validation speakers."""

from collections.abc import Sequence
from dataclasses import dataclass

from speech_emotion.corpora.splits import Fold


@dataclass(frozen=True)
class Split:
    """The utterance ids on which a trial is fitted, and those on which it is judged."""

    train: tuple[str, ...]
    valid: tuple[str, ...]


def own_split(fold: Fold) -> tuple[Split, ...]:
    """A single split with the fold's own inner validation speakers, which also decide about early stopping."""
    return (Split(fold.train, fold.valid),)


def group_splits(fold: Fold, folds: Sequence[Fold]) -> tuple[Split, ...]:
    """The protocol repeated inside the fold: each split is judged on another fold's test group and fitted on the rest.

    In a leave-one-speaker-out protocol each split leaves out one inner speaker. If the other folds' test groups are not
    a partition of the inner utterances (a single fixed fold, random folds), the only split is the fold's own.

    Args:
        fold: the outer fold.
        folds: all outer folds.
    """
    inner = {*fold.train, *fold.valid}
    groups = [other.test for other in folds if other.name != fold.name]
    parted = sum(map(len, groups)) == len(inner) and set().union(*groups) == inner
    if not parted or len(groups) < 2:
        return own_split(fold)
    return tuple(Split(tuple(sorted(inner.difference(group))), group) for group in groups)

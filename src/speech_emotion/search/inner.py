"""What a trial is judged on: splits of an outer fold's training and validation speakers."""

from collections.abc import Sequence
from dataclasses import dataclass

from speech_emotion.corpora.splits import Fold


@dataclass(frozen=True)
class Split:
    """Utterance ids that a trial is fitted on, and those that it is judged on."""

    train: tuple[str, ...]
    valid: tuple[str, ...]


def own_split(fold: Fold) -> tuple[Split, ...]:
    """The fold's own inner validation speakers: the one split on which a network stops early, too."""
    return (Split(fold.train, fold.valid),)


def group_splits(fold: Fold, folds: Sequence[Fold]) -> tuple[Split, ...]:
    """Applies the protocol again inside the fold: each other fold's test group in turn is scored, the rest is fitted.

    For a protocol that leaves one speaker out, one inner speaker is left out. If the other folds' test groups do not
    partition the inner utterances (a single fixed fold, random folds), only the fold's own split is used.
    """
    inner = {*fold.train, *fold.valid}
    groups = [other.test for other in folds if other.name != fold.name]
    parted = sum(map(len, groups)) == len(inner) and set().union(*groups) == inner
    if not parted or len(groups) < 2:
        return own_split(fold)
    return tuple(Split(tuple(sorted(inner.difference(group))), group) for group in groups)

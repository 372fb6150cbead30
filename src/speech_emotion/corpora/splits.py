"""The folds of a protocol, made from the speakers before anything is fitted."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from speech_emotion.corpora.protocols import Protocol
from speech_emotion.errors import UserError


@dataclass(frozen=True)
class Fold:
    """The sorted utterance ids of one fold; the three parts are disjoint."""

    name: str
    train: tuple[str, ...]
    valid: tuple[str, ...]
    test: tuple[str, ...]


def make_folds(rows: pd.DataFrame, protocol: Protocol) -> list[Fold]:
    """Makes the folds of a protocol.

    Args:
        rows: the utterances from select_utterances.
        protocol: the protocol.

    Raises:
        UserError: there are too few groups, a part is empty, the protocol names speakers that the corpus lacks or omits
            some that it has, or a speaker is in two parts of a speaker-independent protocol's fold.
    """
    rule = protocol.folds
    if rule.random is not None:
        folds = _random(rows, protocol)
    elif rule.fixed is not None:
        if absent := {*rule.fixed.test, *rule.fixed.valid} - set(rows["speaker"]):
            raise UserError(
                f"protocol {protocol.title!r}: folds.fixed: speaker {min(absent)} is not in the corpus: must be one of "
                f"{', '.join(sorted(set(rows['speaker'])))}"
            )
        folds = [_by_values("fixed", rows, "speaker", rule.fixed.test, rule.fixed.valid)]
    else:
        column = rule.each or "speaker"
        if rows[column].isna().any():
            lacking = rows["id"][rows[column].isna()].iloc[0]
            raise UserError(f"protocol {protocol.title!r}: folds.each = {column}: {lacking} has none: fill it in")
        groups = rule.groups or [[value] for value in sorted(set(rows[column]))]
        _check_groups(rows, protocol, groups)
        folds = [
            _by_values("+".join(test), rows, column, test, groups[(number + 1) % len(groups)])
            for number, test in enumerate(groups)
        ]
    for fold in folds:
        for part in ("train", "valid", "test"):
            if not getattr(fold, part):
                raise UserError(
                    f"protocol {protocol.title!r}: fold {fold.name}: {part} is empty: the corpus has too few speakers"
                )
    if protocol.speaker_independent:
        check_speakers(rows, folds)
    return folds


def check_speakers(rows: pd.DataFrame, folds: list[Fold]) -> None:
    """Raises UserError if a speaker occurs in two parts of a fold."""
    speaker = dict(zip(rows["id"], rows["speaker"], strict=True))
    for fold in folds:
        speakers = [{speaker[id] for id in part} for part in (fold.train, fold.valid, fold.test)]
        for one, other in ((0, 1), (0, 2), (1, 2)):
            if both := speakers[one] & speakers[other]:
                raise UserError(f"fold {fold.name}: speaker {min(both)} is in two parts: fix the protocol's groups")


def _check_groups(rows: pd.DataFrame, protocol: Protocol, groups: list[list[str]]) -> None:
    if len(groups) < 3:
        raise UserError(
            f"protocol {protocol.title!r}: {len(groups)} groups: training, validation and testing need at least three"
        )
    if protocol.folds.groups is None:
        return
    named = [speaker for group in groups for speaker in group]
    present = set(rows["speaker"])
    if doubled := {speaker for speaker in named if named.count(speaker) > 1}:
        raise UserError(
            f"protocol {protocol.title!r}: folds.groups: speaker {min(doubled)} is listed twice: remove one"
        )
    if forgotten := present - set(named):
        raise UserError(f"protocol {protocol.title!r}: folds.groups: speaker {min(forgotten)} is in no group: add it")
    if absent := set(named) - present:
        raise UserError(
            f"protocol {protocol.title!r}: folds.groups: speaker {min(absent)} is not in the corpus: remove it, or "
            "complete the corpus"
        )


def _by_values(name: str, rows: pd.DataFrame, column: str, test: list[str], valid: list[str]) -> Fold:
    in_test, in_valid = rows[column].isin(test), rows[column].isin(valid)
    return Fold(name, _ids(rows, ~in_test & ~in_valid), _ids(rows, in_valid), _ids(rows, in_test))


def _ids(rows: pd.DataFrame, mask: pd.Series) -> tuple[str, ...]:
    return tuple(sorted(rows["id"][mask]))


def _random(rows: pd.DataFrame, protocol: Protocol) -> list[Fold]:
    rule = protocol.folds.random
    rows = rows.sort_values("id", ignore_index=True)
    folds = []
    for repeat in range(rule.repeats):
        numbers = np.arange(len(rows))
        try:
            rest, test = train_test_split(
                numbers, test_size=rule.test_share, random_state=rule.seed + repeat, stratify=rows["label"]
            )
            train, valid = train_test_split(
                rest, test_size=rule.valid_share, random_state=rule.seed + repeat, stratify=rows["label"].iloc[rest]
            )
        except ValueError as error:
            raise UserError(f"protocol {protocol.title!r}: folds.random: {error}") from None
        parts = (tuple(sorted(rows["id"].iloc[part])) for part in (train, valid, test))
        folds.append(Fold(f"random-{repeat}", *parts))
    return folds

"""Protocols as data: which utterances are used, their labels, and the split into training, validation and test."""

from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import Field, model_validator

from speech_emotion.errors import UserError
from speech_emotion.params import Name, Positive, Seed
from speech_emotion.sections import Section, check
from speech_emotion.yaml_files import read_yaml

PROTOCOLS = Path("protocols")

Speakers = Annotated[list[str], Field(min_length=1)]
PartShare = Annotated[float, Field(gt=0, lt=1)]


class Fixed(Section):
    """One fold with fixed test and validation speakers; all others are for training."""

    test: Speakers
    valid: Speakers


class Random(Section):
    """Utterances split at random, stratified by label; a speaker may be in several parts."""

    test_share: PartShare
    valid_share: PartShare  # of the utterances outside the test part
    repeats: Positive
    seed: Seed


class Folds(Section):
    """How the folds are made: exactly one of these."""

    each: Literal["speaker", "session"] | None = None
    groups: list[Speakers] | None = None
    fixed: Fixed | None = None
    random: Random | None = None

    @model_validator(mode="after")
    def _one(self) -> "Folds":
        given = [name for name, value in self if value is not None]
        if len(given) != 1:
            raise ValueError(f"folds = {given}: must hold exactly one of each, groups, fixed, random")
        return self


class Protocol(Section):
    """One file of protocols/.

    Attributes:
        corpora: corpora it applies to, or "any".
        labels: emotion of the table -> class; other emotions are left out. "any" keeps all emotions as classes.
        where: column of the table -> values to keep.
        inner: "next" if the validation speakers are the next fold's test speakers.
    """

    title: str
    corpora: list[Name] | Literal["any"]
    speaker_independent: bool
    labels: dict[str, str] | Literal["any"]
    where: Annotated[dict[str, list[str]], Field(default_factory=dict)]
    folds: Folds
    inner: Literal["next"] | None = None

    @model_validator(mode="after")
    def _honest(self) -> "Protocol":
        if self.speaker_independent == (self.folds.random is not None):
            raise ValueError(
                f"speaker_independent = {self.speaker_independent}: must be true for speakers, false for random folds"
            )
        if (self.inner is None) == (self.folds.each is not None or self.folds.groups is not None):
            raise ValueError(
                f"inner = {self.inner}: must be next where folds are made by each or groups, and absent elsewhere"
            )
        return self


def load_protocol(name: str, folder: Path = PROTOCOLS) -> Protocol:
    """Reads protocols/<name>.yaml.

    Raises:
        UserError: there is no such protocol, or it is invalid.
    """
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.yaml")))
        raise UserError(f"protocol = {name}: {path} does not exist: must be one of {known}")
    raw = read_yaml(path)
    return check(Protocol, raw if isinstance(raw, dict) else {}, str(path))


def select_utterances(table: pd.DataFrame, protocol: Protocol) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Returns the rows that the protocol uses, with a column `label`, and the sorted classes, as models output them.

    Raises:
        UserError: the protocol is for another corpus, uses an unknown column, or leaves fewer than two classes.
    """
    if protocol.corpora != "any" and (foreign := sorted(set(table["corpus"]) - set(protocol.corpora))):
        raise UserError(
            f"protocol {protocol.title!r}: corpora = {protocol.corpora}: the table holds {foreign[0]}: choose another"
        )
    rows = table
    for column, values in protocol.where.items():
        if column not in rows:
            raise UserError(f"protocol {protocol.title!r}: where.{column}: must be a column of the table of utterances")
        rows = rows[rows[column].isin(values)]
    mapping = {emotion: emotion for emotion in rows["emotion"]} if protocol.labels == "any" else protocol.labels
    rows = rows.assign(label=rows["emotion"].map(mapping)).dropna(subset=["label"]).reset_index(drop=True)
    labels = tuple(sorted(set(rows["label"])))
    if len(labels) < 2:
        raise UserError(
            f"protocol {protocol.title!r}: {len(rows)} utterances of classes {list(labels)} are left: need two classes"
        )
    return rows, labels

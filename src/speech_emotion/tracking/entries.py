"""Entries: what a tracking store is to hold, each with a key, whatever the store."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Dataset:
    """The corpus as the runs saw it.

    Attributes:
        digest: of the table of utterances, which holds each file's sha256.
        source: folder in the project.
        version: how DVC finds that folder again: `dvc`, the hash that data.dvc recorded, and `remote`, its URL; as far
            as known.
    """

    name: str
    digest: str
    source: str
    version: Mapping[str, str]
    profile: Mapping[str, int]
    licences: tuple[str, ...]


@dataclass(frozen=True)
class Period:
    """When a run's work began and ended, in milliseconds since 1970."""

    start: int
    end: int


@dataclass(frozen=True)
class Entry:
    """One run.

    Attributes:
        kind: system, unit (a fold and seed of a system), trial (of a system's search), comparison or model.
        key: hash of what makes it the same run; params are part of it, since a run's params never change.
        state: hash of all that it holds.
        metrics: name -> value.
        curves: name -> (epoch, value) pairs.
        samples: name -> (milliseconds since 1970, value) pairs of what was measured while it ran.
        files: path -> folder among the run's artifacts.
        made: path among the run's artifacts -> what writes it to a path; the entry's key decides its content.
        period: None where nobody noted it.
        note: what the run's page says, in Markdown.
        status: as MLflow spells it.
        model: the exported graph that the run presents; its bundle lies beside it.
    """

    kind: str
    key: str
    state: str
    name: str
    tags: Mapping[str, str]
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    samples: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    files: Mapping[Path, str] = field(default_factory=dict)
    made: Mapping[str, Callable[[Path], None]] = field(default_factory=dict)
    period: Period | None = None
    note: str = ""
    status: str = "FINISHED"
    dataset: Dataset | None = None
    model: Path | None = None
    children: tuple["Entry", ...] = ()

"""Entries: the runs that a tracking store should contain, each with a key; independent of the kind of store."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Dataset:
    """The corpus that the runs used.

    Attributes:
        digest: hash of the table of utterances, which contains each file's sha256.
        source: folder in the project.
        version: what DVC needs to get that folder again: `dvc`, the hash recorded in data.dvc, and `remote`, its URL;
            either is left out if unknown.
        profile: numbers of utterances and speakers.
    """

    name: str
    digest: str
    source: str
    version: Mapping[str, str]
    profile: Mapping[str, int]
    licences: tuple[str, ...]


@dataclass(frozen=True)
class Period:
    """Start and end of a run's training, in milliseconds since 1970."""

    start: int
    end: int


@dataclass(frozen=True)
class Entry:
    """One run.

    Attributes:
        kind: system, unit (a fold and seed of a system), trial (of a system's search), comparison or model.
        key: hash of what identifies the run; it includes the params, which cannot change in a run.
        state: hash of the whole content.
        metrics: name -> value.
        curves: name -> (epoch, value) pairs.
        samples: name -> (milliseconds since 1970, value) pairs, measured while it ran.
        files: path -> folder among the run's artifacts.
        made: path among the run's artifacts -> function that writes it to a given path; the content depends on the key
            only.
        period: None if it is unknown.
        note: description on the run's page, in Markdown.
        status: status of the run, as MLflow names it.
        model: the exported graph that the run presents, with its bundle in the same folder.
        children: the entries of the runs below this one.
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

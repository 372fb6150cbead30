"""A fold run that is to be trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speech_emotion.corpora.splits import Fold
from speech_emotion.training.fitting import Experiment


@dataclass(frozen=True)
class Job:
    """One fold run.

    Attributes:
        experiment: system and corpus.
        fold: utterances for training, validation and test.
        seed: one of the budget's.
        hyperparameters: name -> value.
        key: of training/keys.py.
        units: folder of finished units.
        code: the files that training runs, for the unit's provenance.
        members: runs of the systems that this one builds on, with the same fold and seed.
        published: folder of published units; None to leave them out.
    """

    experiment: Experiment
    fold: Fold
    seed: int
    hyperparameters: Mapping[str, Any]
    key: str
    units: Path
    code: tuple[Path, ...] = ()
    members: tuple["Job", ...] = ()
    published: Path | None = None

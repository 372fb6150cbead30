"""A fold run to be trained."""

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
        seed: one of the budget's seeds.
        hyperparameters: name -> value.
        key: the key of the fold run (training/keys.py).
        units: folder of finished fold runs.
        code: source files that the training uses, for the provenance.
        members: fold runs of the systems that this one builds on, with the same fold and seed.
        published: folder of published fold runs; None to ignore them.
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

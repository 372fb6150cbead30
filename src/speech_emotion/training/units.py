"""Finished fold runs (class Unit: corpus, protocol, system, fold, seed), stored by key (keys.py) and never repeated.

A finished fold run is stored in a local folder as <key>/unit.json, with its model. Published ones are in git below
papers/<paper>/units/, without the model.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from speech_emotion.errors import UserError
from speech_emotion.params import CPU
from speech_emotion.store.atomic import atomic_folders, write_text
from speech_emotion.store.naming import file_name

RECORD = "unit.json"
DIGITS = 6  # of probabilities and curves: enough, and files from different machines differ less


@dataclass(frozen=True)
class Unit:
    """The record of a finished fold run, without its model.

    Attributes:
        key: the key of the fold run (training/keys.py).
        corpus: name of the corpus.
        protocol: name of the evaluation protocol.
        system: id of the system.
        fold: name of the fold.
        seed: seed of the training.
        labels: emotions in the order of the probabilities.
        hyperparameters: name -> value.
        parameters: number of trained parameters.
        best_epoch: epoch whose weights were kept; 0 for an estimator.
        temperature: temperature of an estimator's probabilities; 1 for a network.
        curves: rows of epoch, loss, valid_loss, valid_ua.
        predictions: id -> probabilities in the order of `labels`, for the fold's test utterances.
        device: where it was trained, "cpu" or "cuda"; a file without this entry was trained on the CPU.
        provenance: source hash, versions of Python and libraries, processor, revision; not part of the key.
    """

    key: str
    corpus: str
    protocol: str
    system: str
    fold: str
    seed: int
    labels: tuple[str, ...]
    hyperparameters: Mapping[str, Any]
    parameters: int
    best_epoch: int
    temperature: float
    curves: Sequence[Mapping[str, float]]
    predictions: Mapping[str, Sequence[float]]
    device: str = CPU
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.fold}-{self.seed}"

    def to_text(self) -> str:
        """JSON with one line for each utterance and each row of the curves, which gives readable diffs in git."""
        record = asdict(self)
        predictions, curves = record.pop("predictions"), record.pop("curves")
        head = json.dumps(record, sort_keys=True)[1:-1]
        rows = ",\n".join(" " + json.dumps(row) for row in curves)
        lines = ",\n".join(
            f" {json.dumps(id)}: {json.dumps(list(values))}" for id, values in sorted(predictions.items())
        )
        return f'{{{head},\n"curves": [\n{rows}\n],\n"predictions": {{\n{lines}\n}}}}\n'

    @classmethod
    def from_file(cls, path: Path) -> "Unit":
        """Reads a record. Raises UserError if the file is damaged."""
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            record["labels"] = tuple(record["labels"])
            return cls(**record)
        except (ValueError, TypeError, KeyError) as error:
            raise UserError(f"{path}: is not a finished fold run ({error}): remove it and train again") from None


def rounded(value: float) -> float:
    """The value rounded as in the record of a fold run; integers stay integers."""
    return value if isinstance(value, int) else round(float(value), DIGITS)


class UnitStore:
    """Finished fold runs by key.

    Args:
        local: folder of finished fold runs with their models; new ones are added here.
        published: papers/, searched if `local` does not have the key; None to ignore published fold runs.
    """

    def __init__(self, local: Path, published: Path | None = None):
        self.local = local
        self._published: dict[str, Path] = {}
        if published is not None:
            for path in sorted(published.glob("*/units/*/*.json")):
                self._published[Unit.from_file(path).key] = path

    def find(self, key: str) -> Unit | None:
        """The record of the fold run with this key, or None if it is not finished."""
        path = self.local / key / RECORD
        if path.is_file():
            return Unit.from_file(path)
        if key in self._published:
            return Unit.from_file(self._published[key])
        return None

    def model_folder(self, key: str) -> Path | None:
        """The folder of the fold run's model, or None if there is no local model."""
        folder = self.local / key / "model"
        return folder if folder.is_dir() else None

    def save(self, unit: Unit, model: Path) -> None:
        """Adds a finished fold run with its model, completely or not at all.

        Args:
            unit: its record.
            model: folder of the saved system, which is copied.
        """
        with atomic_folders(self.local / unit.key) as (folder,):
            shutil.copytree(model, folder / "model")
            write_text(folder / RECORD, unit.to_text())


def publish(unit: Unit, papers: Path, paper: str, tuned: bool = False) -> Path:
    """Writes the record of a fold run below papers/<paper>/units/, to be committed to git; returns the path.

    Args:
        unit: the record.
        papers: the folder papers/.
        paper: name of the paper's folder.
        tuned: whether a search chose the hyper-parameters for this fold; such fold runs have a folder of their own.
    """
    folder = f"{unit.corpus}-{unit.protocol}{'-tuned' if tuned else ''}"
    path = papers / paper / "units" / folder / f"{file_name(f'{unit.system}-{unit.name}')}.json"
    write_text(path, unit.to_text())
    return path

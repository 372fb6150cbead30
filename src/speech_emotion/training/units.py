"""Finished units (corpus, protocol, system, fold, seed), kept under a key of what decides their results (keys.py).

A unit lives in two forms: in full below a local folder, <key>/unit.json beside its model, and in small, unit.json
alone, below papers/<paper>/units/, where git keeps it for everybody. None is trained twice.
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
DIGITS = 6  # of probabilities and curves: more say nothing, fewer files differ between machines


@dataclass(frozen=True)
class Unit:
    """What a finished training says, in small form.

    Attributes:
        key: of training/keys.py.
        best_epoch: epoch whose weights were kept; 0 for an estimator.
        temperature: of an estimator's probabilities; 1 for a network.
        curves: rows of epoch, loss, valid_loss, valid_ua.
        predictions: id -> probabilities in the order of `labels`, for the fold's test utterances.
        device: where it was trained, "cpu" or "cuda"; a file that does not say was written on the CPU.
        provenance: source hash, versions of Python and libraries, processor, revision; decides nothing.
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
        """JSON, one line an utterance and one a row of the curves, so that git shows what differs."""
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
        """Raises UserError where the file is damaged."""
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            record["labels"] = tuple(record["labels"])
            return cls(**record)
        except (ValueError, TypeError, KeyError) as error:
            raise UserError(f"{path}: is no finished unit ({error}): remove it and train again") from None


def rounded(value: float) -> float:
    """The value as units keep it; whole numbers stay whole."""
    return value if isinstance(value, int) else round(float(value), DIGITS)


class UnitStore:
    """Finished units by key.

    Args:
        local: folder of units in full; finished ones are added.
        published: papers/, searched where `local` has none; None to leave it out.
    """

    def __init__(self, local: Path, published: Path | None = None):
        self.local = local
        self._published: dict[str, Path] = {}
        if published is not None:
            for path in sorted(published.glob("*/units/*/*.json")):
                self._published[Unit.from_file(path).key] = path

    def find(self, key: str) -> Unit | None:
        """The unit, or None where it is not finished."""
        path = self.local / key / RECORD
        if path.is_file():
            return Unit.from_file(path)
        if key in self._published:
            return Unit.from_file(self._published[key])
        return None

    def model_folder(self, key: str) -> Path | None:
        """The folder of the unit's model, or None where only its small form is at hand."""
        folder = self.local / key / "model"
        return folder if folder.is_dir() else None

    def save(self, unit: Unit, model: Path) -> None:
        """Adds a finished unit with its model, whole or not at all."""
        with atomic_folders(self.local / unit.key) as (folder,):
            shutil.copytree(model, folder / "model")
            write_text(folder / RECORD, unit.to_text())


def publish(unit: Unit, papers: Path, paper: str, tuned: bool = False) -> Path:
    """Writes a unit in small form below papers/<paper>/units/, for git to keep; returns the path.

    Args:
        tuned: it has hyper-parameters that a search found for its fold: these lie apart from those of params.yaml.
    """
    folder = f"{unit.corpus}-{unit.protocol}{'-tuned' if tuned else ''}"
    path = papers / paper / "units" / folder / f"{file_name(f'{unit.system}-{unit.name}')}.json"
    write_text(path, unit.to_text())
    return path

"""Finished units (corpus, protocol, system, fold, seed), kept under a key of data, params and code.

A unit lives in two forms: in full below a local folder, <key>/unit.json beside its model, and in small, unit.json
alone, below papers/<paper>/units/, where git keeps it for everybody. None is trained twice.
"""

import functools
import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from speech_emotion.errors import UserError
from speech_emotion.params import CPU
from speech_emotion.store.arrays import ArrayStore
from speech_emotion.store.atomic import atomic_folders, write_text
from speech_emotion.store.hashing import hash_code, hash_json
from speech_emotion.store.naming import file_name

RECORD = "unit.json"
NOTHING = np.float32(2**-20)  # of a dimension's largest magnitude: what is smaller counts as 0 in a fingerprint
DIGITS = 6  # of probabilities and curves: more say nothing, fewer files differ between machines


@dataclass(frozen=True)
class Unit:
    """What a finished training says, in small form.

    Attributes:
        key: hash of data, params and code.
        best_epoch: epoch whose weights were kept; 0 for an estimator.
        temperature: of an estimator's probabilities; 1 for a network.
        curves: rows of epoch, loss, valid_loss, valid_ua.
        predictions: id -> probabilities in the order of `labels`, for the fold's test utterances.
        device: where it was trained, "cpu" or "cuda"; a file that does not say was written on the CPU.
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


def fingerprint(stores: Mapping[str, ArrayStore], ids: Iterable[str]) -> str:
    """Hash of the features of some utterances and their copies, blind to the last bits in which machines differ.

    Values enter with eight bits of mantissa: a change in how a feature is computed moves some of its many values over
    a rounding border, noise of the last bits practically never does. A value far below the largest of its dimension
    enters as 0: it may be a difference of large ones that should cancel (the spectral slope of digital silence), and
    then all its bits are such noise.
    """
    digest = hashlib.sha256()
    ids = sorted(ids)
    for name, store in sorted(stores.items()):
        digest.update(name.encode())
        versions = [version for id in ids for version in (id, *store.copies(id))]
        least = NOTHING * functools.reduce(np.maximum, (_largest(store[version]) for version in versions))
        for version in versions:
            array = store[version]
            bits = np.where(np.abs(array) <= least, np.float32(0), array).view(np.uint32)
            digest.update(f"{version}{array.shape}".encode())
            digest.update(((bits + np.uint32(0x8000)) >> np.uint32(16)).astype(np.uint16).tobytes())
    return digest.hexdigest()


def _largest(array: np.ndarray) -> np.ndarray:
    """The largest magnitude in each dimension of (frames, dims) or (dims,)."""
    return np.abs(array).max(axis=0) if array.ndim > 1 else np.abs(array)


def unit_key(code: Iterable[Path], **parts: Any) -> str:
    """The key of a unit.

    Args:
        code: source files that decide how it is trained.
        parts: everything else that does, as JSON values: data, hyper-parameters, split, fold, seed, ...
    """
    return hash_json({"code": hash_code(code), **parts})


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

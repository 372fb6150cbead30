"""Gives published units and trials of a corpus the keys of training/keys.py, in place of those of earlier revisions.

An earlier key hashed the values of features and the text of the code. Each is computed again here, at a revision whose
features and code are still those that trained the units, and what does not match is refused. Nothing but keys and
provenance is changed.

`python -m speech_emotion.commands.rekey` works on params.yaml's corpus, whose steps up to features must have run.
"""

import dataclasses
import functools
import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from speech_emotion.corpora.splits import Fold
from speech_emotion.errors import UserError, exit_status
from speech_emotion.params import load_params
from speech_emotion.search import inner, objective, sampling
from speech_emotion.search.study import NOT_OF_THE_KEY, SearchJob
from speech_emotion.steps.step import StepParams
from speech_emotion.steps.train import code_of, experiment_of, make_jobs
from speech_emotion.steps.tune import STEP as TUNE
from speech_emotion.steps.tune import search_jobs
from speech_emotion.store.arrays import ArrayStore
from speech_emotion.store.atomic import write_text
from speech_emotion.store.hashing import hash_code, hash_json
from speech_emotion.training.fitting import Experiment
from speech_emotion.training.units import Unit

ARTIFACTS, PAPERS = Path("artifacts"), Path("papers")
NOTHING = np.float32(2**-20)  # of a dimension's largest magnitude: what is smaller counts as 0 in a fingerprint


def rekey() -> str:
    """Re-keys units and trials of the corpus at work; returns what was done.

    Raises:
        UserError: a unit or study has another former key than this revision computes; nothing is written then.
    """
    params = load_params()
    pending: list[tuple[Path, str]] = []
    for system in params.candidates:
        of_system = StepParams(params, TUNE.sections, system)
        experiment, rows, folds = experiment_of(of_system, ARTIFACTS / "ingest", ARTIFACTS / "features")
        data = fingerprint(experiment.stores(), experiment.targets)
        by_name = {fold.name: fold for fold in folds}
        source = hash_code(code_of(system))
        pattern = f"*/units/{params.corpus}-{experiment.protocol}*/{system}-*.json"
        for path in sorted(PAPERS.glob(pattern)):
            unit = Unit.from_file(path)
            fold = by_name[unit.fold]
            former = former_key(data, experiment, unit.hyperparameters, fold, unit.seed)
            _match(path, unit.key, former)
            budget = params.budget.model_copy(update={"seeds": [unit.seed], "more_seeds": {}, "folds": [fold.name]})
            one = params.model_copy(update={"budgets": {params.corpus: budget}})
            best = {fold.name: unit.hyperparameters}
            (job,) = make_jobs(
                StepParams(one, TUNE.sections, system), experiment, rows, folds, best, ARTIFACTS / "units"
            )
            provenance = {"source": source, "former_key": former}
            pending.append((path, dataclasses.replace(unit, key=job.key, provenance=provenance).to_text()))
        inputs = {
            "utterances": ARTIFACTS / "ingest",
            "features": ARTIFACTS / "features",
            "studies": ARTIFACTS / "studies",
        }
        for job in search_jobs({**inputs, "papers": PAPERS}, of_system):
            for path in PAPERS.glob(f"*/studies/{params.corpus}-{experiment.protocol}/{system}-{job.fold}.json"):
                text = path.read_text(encoding="utf-8")
                name = json.loads(text)["study"]
                former = former_study(data, job, experiment)
                _match(path, name, former)
                pending.append((path, text.replace(json.dumps(name), json.dumps(job.name), 1)))
    for path, text in pending:
        write_text(path, text)
    return f"{params.corpus}: {len(pending)} files re-keyed"


def _match(path: Path, key: str, former: str) -> None:
    if key != former:
        raise UserError(f"{path}: key = {key}: this revision computes {former}: check out the revision that trained it")


def former_key(data: str, experiment: Experiment, hyperparameters: Mapping[str, Any], fold: Fold, seed: int) -> str:
    """The key of a unit as earlier revisions made it."""
    return unit_key(
        code_of(experiment.system),
        data=data,
        needs=experiment.needs.model_dump(),
        targets=hash_json(dict(experiment.targets)),
        labels=experiment.labels,
        split=hash_json([fold.train, fold.valid, fold.test]),
        protocol=experiment.protocol,
        corpus=experiment.corpus,
        system=experiment.system,
        hyperparameters=dict(hyperparameters),
        max_epochs=experiment.max_epochs,
        patience=experiment.patience,
        fold=fold.name,
        seed=seed,
    )


def former_study(data: str, job: SearchJob, experiment: Experiment) -> str:
    """The name of a study as earlier revisions made it.

    Args:
        experiment: with the budget's epochs, which the unit's key held.
    """
    key = {
        "unit": former_key(data, experiment, job.job.hyperparameters, job.job.fold, job.job.seed),
        "splits": [[split.train, split.valid] for split in job.splits],
        "params": job.params.model_dump(exclude=set(NOT_OF_THE_KEY)),
        "code": hash_code(Path(module.__file__) for module in (inner, objective, sampling)),
    }
    return f"{job.prefix}{hash_json(key)[:12]}"


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


def main() -> int:
    return exit_status(lambda: print(rekey()))


if __name__ == "__main__":
    sys.exit(main())

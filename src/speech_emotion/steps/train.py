"""Step train: every fold and seed of one system; finished units are reused, not trained again."""

import contextlib
import functools
import inspect
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from speech_emotion.audio.augmentation import augmentation_identity
from speech_emotion.audio.preparation import recipe_identity
from speech_emotion.corpora.protocols import load_protocol, select_utterances
from speech_emotion.corpora.splits import Fold, make_folds
from speech_emotion.corpora.table import read_utterances
from speech_emotion.errors import UserError
from speech_emotion.features.versions import feature_identity
from speech_emotion.learning import loop
from speech_emotion.learning.devices import device_kind
from speech_emotion.learning.scores import unweighted_recall
from speech_emotion.parallel import ordered_map
from speech_emotion.recorder import Recorder
from speech_emotion.steps.step import Folders, Step, StepParams
from speech_emotion.steps.wanted import TABLE
from speech_emotion.store.atomic import write_text
from speech_emotion.store.naming import file_name
from speech_emotion.systems.base import System, SystemConfig
from speech_emotion.systems.catalogue import check_hyperparameters, hyperparameters_of, system_class, system_config
from speech_emotion.training import keys
from speech_emotion.training.fitting import Experiment
from speech_emotion.training.job import Job
from speech_emotion.training.members import to_train
from speech_emotion.training.run import train_unit
from speech_emotion.training.units import Unit, UnitStore

CURVE_COLUMNS = ("system", "fold", "seed", "epoch", "loss", "valid_loss", "valid_ua")


def run_step(inputs: Folders, params: StepParams, outputs: Folders, recorder: Recorder) -> None:
    experiment, rows, folds = experiment_of(params, inputs["utterances"], inputs["features"])
    store = UnitStore(inputs["units"], inputs["papers"] if params.train.published_units else None)
    best = json.loads((inputs["best"] / "best.json").read_text())
    published = inputs["papers"] if params.train.published_units else None
    jobs = [
        replace(job, published=published) for job in make_jobs(params, experiment, rows, folds, best, inputs["units"])
    ]
    missing = sum(store.find(job.key) is None for job in jobs)
    recorder.note(f"{params.system}: {len(jobs)} units, {len(jobs) - missing} finished before, {missing} to train")
    for wave in to_train(jobs, store):
        for system in dict.fromkeys(job.experiment.system for job in wave):
            of_system = [job for job in wave if job.experiment.system == system]
            together = tuple(job.key for job in (jobs if system == params.system else of_system))
            train = functools.partial(train_unit, recorder=recorder, together=together)
            with _named(params.system, system):
                for unit in ordered_map(train, of_system, params.workers, recorder, f"train {system}"):
                    recorder.note(f"{system} fold {unit.fold} seed {unit.seed}: {_summary(unit, experiment)}")
    units = [_found(store, job) for job in jobs]
    _write(units, rows, experiment, params, outputs["trained"], store)


@contextlib.contextmanager
def _named(system: str, member: str) -> Iterator[None]:
    """Adds a member's name to its errors."""
    try:
        yield
    except UserError as error:
        if member == system:
            raise
        raise UserError(
            f"{system} builds on {member}, which cannot be trained here: {error}: or add {member} to candidates"
        ) from None


def _found(store: UnitStore, job: Job) -> Unit:
    """The finished unit; fields that are not part of the key come from the job."""
    return replace(store.find(job.key), corpus=job.experiment.corpus, hyperparameters=dict(job.hyperparameters))


def experiment_of(
    params: StepParams, utterances: Path, features: Path, config: SystemConfig | None = None
) -> tuple[Experiment, pd.DataFrame, list[Fold]]:
    """Returns the experiment of params.system, the utterances that the protocol uses, and the folds.

    Args:
        params: params of the step, for one system.
        utterances: output of step ingest.
        features: output of step features.
        config: the system as it was trained; by default from section `systems` of params.

    Raises:
        UserError: the protocol or the table is invalid.
    """
    protocol = load_protocol(params.budget.protocol)
    rows, labels = select_utterances(read_utterances(utterances / "utterances.parquet"), protocol)
    needs = params.needs[params.system]
    experiment = Experiment(
        corpus=params.corpus,
        protocol=params.budget.protocol,
        config=config or system_config(params.systems, params.system),
        needs=needs,
        recipe=params.preprocess.recipes[needs.recipe],
        definitions={name: params.features[name] for name in needs.features},
        features=features,
        sample_rate=params.preprocess.sample_rate,
        labels=labels,
        targets={id: labels.index(label) for id, label in zip(rows["id"], rows["label"], strict=True)},
        max_epochs=params.budget.max_epochs,
        patience=params.train.patience,
        device=params.train.device,
    )
    return experiment, rows, make_folds(rows, protocol)


def make_jobs(
    params: StepParams,
    experiment: Experiment,
    rows: pd.DataFrame,
    folds: Sequence[Fold],
    best: Mapping[str, Any],
    units: Path,
) -> list[Job]:
    """Returns one job, with its key, for each seed and fold of the budget.

    Args:
        params, experiment: the system's.
        rows: the utterances that the protocol uses, with the SHA-256 of their files.
        folds: all folds of the protocol.
        best: fold -> hyper-parameters found by the search.
        units: folder of finished units.

    Raises:
        UserError: the budget lists a fold that the protocol does not have, or train.device is not available.
    """
    device_kind(params.train.device)
    seeds = params.budget.seeds_of(experiment.system)
    return _jobs(params, experiment, keys.audio_of(rows), _chosen(folds, params), seeds, best, units)


def _jobs(
    params: StepParams,
    experiment: Experiment,
    audio: Mapping[str, str],
    folds: Sequence[Fold],
    seeds: Sequence[int],
    best: Mapping[str, Any],
    units: Path,
) -> list[Job]:
    """The jobs of these folds and seeds, each with the jobs of the systems that this one builds on.

    Members are trained with the hyper-parameters of params.yaml.
    """
    architecture = system_class(experiment.config)
    shared = _shared_identity(params, experiment)
    code, jobs = tuple(code_of(architecture)), []
    members: dict[tuple[str, int], list[Job]] = {}
    for system in experiment.config.builds_on:
        for job in _jobs(params, _of_member(params, experiment, system), audio, folds, seeds, {}, units):
            members.setdefault((job.fold.name, job.seed), []).append(job)
    for fold in folds:
        hyperparameters = {**hyperparameters_of(params.systems, experiment.system), **best.get(fold.name, {})}
        values = check_hyperparameters(experiment.config, hyperparameters)
        of_fold = {
            **shared,
            "split": keys.split_identity(fold, audio, experiment.targets),
            "hyperparameters": keys.hyperparameter_identity(values, experiment.needs.features),
            "limits": keys.limits(values, experiment.max_epochs, experiment.patience),
        }
        for seed in seeds:
            draws = [seed, experiment.protocol, experiment.system, fold.name]  # the inputs of training_seed
            below = tuple(members.get((fold.name, seed), ()))
            parts = {**of_fold, "draws": draws} | ({"builds_on": [job.key for job in below]} if below else {})
            jobs.append(Job(experiment, fold, seed, hyperparameters, keys.key_of(parts), units, code, below))
    return jobs


def _of_member(params: StepParams, experiment: Experiment, system: str) -> Experiment:
    """The same experiment for a system that this one builds on."""
    if system not in params.needs:
        raise UserError(f"params.yaml: needs.{system}: is missing, but {experiment.system} builds on {system}: add it")
    needs = params.needs[system]
    return replace(
        experiment,
        config=system_config(params.systems, system),
        needs=needs,
        recipe=params.preprocess.recipes[needs.recipe],
        definitions={name: params.features[name] for name in needs.features},
    )


def _shared_identity(params: StepParams, experiment: Experiment) -> dict[str, Any]:
    """The common part of the keys of a system's units."""
    needs, architecture = experiment.needs, system_class(experiment.config)
    common = {
        "training": loop.TRAINING_VERSION,
        "architecture": keys.architecture_identity(architecture),
        "labels": list(experiment.labels),
    }
    if not architecture.TAKES_FEATURES:
        return common
    samples = round(needs.min_seconds * experiment.sample_rate)
    return {
        **common,
        "recipe": recipe_identity(experiment.recipe, params.preprocess),
        "augmentation": augmentation_identity(params.augment, needs.copies) if needs.copies else None,
        "features": [feature_identity(name, params.features, samples) for name in needs.features],
    }


def _chosen(folds: Sequence[Fold], params: StepParams) -> list[Fold]:
    wanted = params.budget.folds
    if wanted is None:
        return list(folds)
    known = [fold.name for fold in folds]
    if unknown := sorted(set(wanted) - set(known)):
        raise UserError(
            f"budgets.{params.corpus}.folds = {unknown[0]}: protocol {params.budget.protocol} has no such fold: must "
            f"be among {', '.join(known)}"
        )
    return [fold for fold in folds if fold.name in wanted]


def code_of(architecture: type[System]) -> list[Path]:
    """Returns the files with an architecture's training code, for provenance: its class, the base classes, the loop."""
    classes = [inspect.getfile(one) for one in architecture.__mro__ if issubclass(one, System)]
    return [Path(file) for file in classes] + sorted(Path(loop.__file__).parent.glob("*.py"))


def _summary(unit: Unit, experiment: Experiment) -> str:
    frame = pd.DataFrame(unit.predictions).T
    ua = unweighted_recall(frame.to_numpy(), experiment.classes(list(frame.index)))
    epochs = f", best epoch {unit.best_epoch} of {len(unit.curves)}" if unit.curves else ""
    return f"UA {100 * ua:.1f}{epochs}"


def predictions_frame(unit: Unit, rows: pd.DataFrame) -> pd.DataFrame:
    """One row per test utterance: corpus, protocol, system, fold, seed, id, speaker, emotion, predicted, p_<label>."""
    ids = sorted(unit.predictions)
    known = rows.set_index("id").loc[ids]
    probabilities = pd.DataFrame([unit.predictions[id] for id in ids], columns=[f"p_{label}" for label in unit.labels])
    frame = pd.DataFrame(
        {
            "corpus": unit.corpus,
            "protocol": unit.protocol,
            "system": unit.system,
            "fold": unit.fold,
            "seed": unit.seed,
            "id": ids,
            "speaker": known["speaker"].to_numpy(),
            "emotion": known["label"].to_numpy(),
            "predicted": [unit.labels[number] for number in probabilities.to_numpy().argmax(axis=1)],
        }
    )
    return pd.concat([frame, probabilities], axis=1)


def _write(
    units: Sequence[Unit],
    rows: pd.DataFrame,
    experiment: Experiment,
    params: StepParams,
    folder: Path,
    store: UnitStore,
) -> None:
    frames = [predictions_frame(unit, rows) for unit in units]
    pd.concat(frames, ignore_index=True).to_parquet(folder / "predictions.parquet", index=False)
    curves = [
        {"system": unit.system, "fold": unit.fold, "seed": unit.seed, **row} for unit in units for row in unit.curves
    ]
    pd.DataFrame(curves, columns=list(CURVE_COLUMNS)).to_csv(folder / "curves.csv", index=False)
    write_text(folder / "units.json", json.dumps(_summary_record(units, frames, experiment, params), indent=1) + "\n")
    (folder / "models").mkdir()
    for unit in units if params.train.keep_models else ():
        if model := store.model_folder(unit.key):
            shutil.copytree(model, folder / "models" / file_name(unit.name))


def _summary_record(
    units: Sequence[Unit], frames: Sequence[pd.DataFrame], experiment: Experiment, params: StepParams
) -> dict[str, Any]:
    config = experiment.config
    stores = experiment.stores()
    system = experiment.create(units[0].hyperparameters, stores)
    protocol = load_protocol(experiment.protocol)
    summaries = {}
    for unit, frame in zip(units, frames, strict=True):
        probabilities = frame[[f"p_{label}" for label in unit.labels]].to_numpy()
        ua = unweighted_recall(probabilities, experiment.classes(frame["id"]))
        summaries[unit.name] = {
            "key": unit.key,
            "best_epoch": unit.best_epoch,
            "epochs": len(unit.curves),
            "device": unit.device,
            "temperature": unit.temperature,
            "ua": round(100 * ua, 2),
            "hyperparameters": dict(unit.hyperparameters),
        }
    return {
        "corpus": experiment.corpus,
        "protocol": experiment.protocol,
        "protocol_title": protocol.title,
        "speaker_independent": protocol.speaker_independent,
        "labels": list(experiment.labels),
        "system": experiment.system,
        "architecture": config.architecture,
        "title": config.title,
        "paper": config.paper,
        "builds_on": list(config.builds_on),
        "not_deployable": system.not_deployable,
        "parameters": units[0].parameters,
        "hyperparameters": hyperparameters_of(params.systems, experiment.system),
        "needs": experiment.needs.model_dump(),
        "max_epochs": experiment.max_epochs,
        "patience": experiment.patience,
        "seeds": params.budget.seeds_of(experiment.system),
        "folds": len({unit.fold for unit in units}),
        "devices": sorted({unit.device for unit in units}),
        "units": summaries,
    }


STEP = Step(
    name="train",
    run=run_step,
    inputs={"utterances": "artifacts/ingest", "features": "artifacts/features", "best": "artifacts/tune/{system}"},
    outputs={"trained": "artifacts/train/{system}"},
    sections=(
        "corpus",
        "budgets.{corpus}",
        "needs.{system}",
        "features",
        "preprocess",
        "augment",
        "systems.{system}",
        "train",
    ),
    caches={"units": "artifacts/units", "papers": "papers"},
    per_system=True,
    dvc_inputs=(TABLE.as_posix(), "artifacts/tune/{system}"),
    wanted="artifacts/wanted/inputs/{system}.json",
)

"""Trains one fold run (a `Unit`): a system on one fold with one seed."""

import tempfile
from pathlib import Path

from speech_emotion.provenance import provenance_of
from speech_emotion.recorder import OnEpoch, Recorder, Training
from speech_emotion.systems.catalogue import save_system
from speech_emotion.training.fitting import fit_system, predict, training_seed
from speech_emotion.training.job import Job
from speech_emotion.training.members import member_predictions
from speech_emotion.training.units import Unit, UnitStore, rounded


def train_unit(job: Job, recorder: Recorder, together: tuple[str, ...]) -> Unit:
    """Trains a fold run, predicts the fold's test utterances and saves the result with the model.

    Args:
        job: the fold run; its members must be finished.
        recorder: records every epoch.
        together: keys of all fold runs of the same result, including this one.
    """
    with recorder.training(_training(job, together)) as on_epoch:
        return _train(job, on_epoch)


def _train(job: Job, on_epoch: OnEpoch) -> Unit:
    experiment, fold = job.experiment, job.fold
    stores = experiment.stores()
    system = experiment.create(job.hyperparameters, stores)
    seed = training_seed(job.seed, experiment.protocol, experiment.system, fold.name)
    members = member_predictions(job, UnitStore(job.units, job.published)) if job.members else {}
    fit = fit_system(system, experiment, stores, fold.train, fold.valid, seed, on_epoch, members)
    probabilities = predict(system, experiment, stores, fold.test, members)
    unit = Unit(
        key=job.key,
        corpus=experiment.corpus,
        protocol=experiment.protocol,
        system=experiment.system,
        fold=fold.name,
        seed=job.seed,
        labels=experiment.labels,
        hyperparameters=dict(job.hyperparameters),
        parameters=system.parameter_count(),
        best_epoch=fit.best_epoch,
        device=fit.device,
        temperature=rounded(system.temperature),
        curves=[{name: rounded(value) for name, value in row.items()} for row in fit.curves],
        provenance=provenance_of(job.code),
        predictions={id: [rounded(p) for p in row] for id, row in zip(fold.test, probabilities, strict=True)},
    )
    with tempfile.TemporaryDirectory() as folder:
        save_system(system, Path(folder))
        UnitStore(job.units).save(unit, Path(folder))
    return unit


def _training(job: Job, together: tuple[str, ...]) -> Training:
    experiment = job.experiment
    epochs = job.hyperparameters.get("epochs", 0)
    return Training(
        key=job.key,
        together=together,
        corpus=experiment.corpus,
        protocol=experiment.protocol,
        system=experiment.system,
        fold=job.fold.name,
        seed=job.seed,
        hyperparameters=dict(job.hyperparameters),
        max_epochs=min(epochs, experiment.max_epochs),
    )

"""One study an outer fold: trials train on its inner training speakers and are judged on its inner validation speakers.

The outer test speakers are never seen. Studies persist: what was interrupted goes on, and exactly N trials finish.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from speech_emotion.randomness import generator
from speech_emotion.systems.catalogue import system_class
from speech_emotion.training.fitting import fit_system, predict, training_seed
from speech_emotion.training.loop import unweighted_recall
from speech_emotion.training.run import Job

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class SearchJob:
    """One study.

    Attributes:
        job: the unit whose hyper-parameters are searched; its key names the study, so that other data or code
            start another one.
        storage: sqlite file of the system's studies.
        trials: how many trials finish, pruned ones included.
        seed: of the sampler.
    """

    job: Job
    storage: Path
    trials: int
    seed: int

    @property
    def name(self) -> str:
        experiment = self.job.experiment
        return f"{experiment.corpus}/{experiment.protocol}/{experiment.system}/{self.job.fold.name}/{self.job.key[:12]}"


@dataclass(frozen=True)
class Found:
    """What a study says: the best trial's hyper-parameters and UA, and every finished trial."""

    fold: str
    best: Mapping[str, Any]
    best_ua: float
    trials: list[dict[str, Any]]


def search(job: SearchJob) -> Found:
    """Runs what is left of a study, in this process.

    A trial that a killed process left running is marked as failed and its hyper-parameters are tried once more.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name=job.name,
        storage=f"sqlite:///{job.storage.resolve()}",
        direction="maximize",
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=_sampler_seed(job)),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=5),
    )
    _retry_dead(study)
    while (left := job.trials - _finished(study)) > 0:
        study.optimize(lambda trial: _objective(trial, job.job), n_trials=left)
    trials = [_row(trial, job.job.fold.name) for trial in study.get_trials(states=FINISHED)]
    return Found(job.job.fold.name, dict(study.best_trial.params), float(study.best_value), trials)


def _objective(trial: optuna.Trial, job: Job) -> float:
    """UA on the inner validation speakers, 0 to 1; pruned by its curve."""
    experiment, fold = job.experiment, job.fold
    suggested = system_class(experiment.system).search_space(trial)
    stores = experiment.stores()
    system = experiment.create({**job.hyperparameters, **suggested}, stores)

    def on_epoch(epoch: int, values: Mapping[str, float]) -> None:
        trial.report(values["valid_ua"], epoch)
        if trial.should_prune():
            raise optuna.TrialPruned

    seed = training_seed(job.seed, "tune", experiment.protocol, experiment.system, fold.name)
    fit_system(system, experiment, stores, fold.train, fold.valid, seed, on_epoch, again_on_all=False)
    return unweighted_recall(predict(system, experiment, stores, fold.valid), experiment.classes(fold.valid))


def _sampler_seed(job: SearchJob) -> int:
    return int(generator(job.seed, "sampler", job.job.experiment.system, job.job.fold.name).integers(2**31))


def _finished(study: optuna.Study) -> int:
    return len(study.get_trials(deepcopy=False, states=FINISHED))


def _retry_dead(study: optuna.Study) -> None:
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params)


def _row(trial: FrozenTrial, fold: str) -> dict[str, Any]:
    return {"fold": fold, "trial": trial.number, "state": trial.state.name.lower(), "ua": trial.value, **trial.params}

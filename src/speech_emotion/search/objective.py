"""The value of a trial: unweighted average recall (UA) on inner speakers, reported step by step for pruning."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from speech_emotion.corpora.splits import Fold
from speech_emotion.learning.loop import recent_validation_ua
from speech_emotion.learning.scores import unweighted_recall
from speech_emotion.search.inner import Split, group_splits, own_split
from speech_emotion.systems.base import SystemConfig
from speech_emotion.systems.catalogue import system_class
from speech_emotion.training.fitting import fit_system, predict, training_seed
from speech_emotion.training.job import Job


def by_epoch(config: SystemConfig) -> bool:
    """Whether a trial's steps are epochs (a network) or inner splits (an estimator, whose fit costs little)."""
    return system_class(config).BY_EPOCH


def splits_of(config: SystemConfig, fold: Fold, folds: Sequence[Fold]) -> tuple[Split, ...]:
    """The splits on which trials are judged: one for a network, otherwise one for each group of inner speakers."""
    return own_split(fold) if by_epoch(config) else group_splits(fold, folds)


def objective(
    job: Job, splits: Sequence[Split], suggested: Mapping[str, Any], report: Callable[[int, float], None]
) -> float:
    """Fits and judges a system with the suggested hyper-parameters. The fold's test utterances are never read.

    Args:
        job: the fold run.
        splits: inner splits on which the trial is judged.
        suggested: hyper-parameters that replace those of the job.
        report: called with each step and its UA, 0 to 1. For a network a step is an epoch, from 1, with the UA of the
            best epoch so far; for an estimator it is a split, from 0, with the split's UA. It may raise to end the
            trial.

    Returns:
        UA, 0 to 1: of the epoch that a network keeps, or the mean over the splits.

    Raises:
        UserError: the hyper-parameters are out of range or make the loss overflow.
    """
    experiment = job.experiment
    stores = experiment.stores()
    seed = training_seed(job.seed, "tune", experiment.protocol, experiment.system, job.fold.name)
    kept, curves = 0.0, []

    def on_epoch(epoch: int, values: Mapping[str, float]) -> None:
        nonlocal kept
        curves.append(values)
        kept = max(kept, recent_validation_ua(curves, system.params.validation_epochs))
        report(epoch, kept)

    recalls = []
    for number, split in enumerate(splits):
        system = experiment.create({**job.hyperparameters, **suggested}, stores)
        if system.BY_EPOCH:
            fit_system(system, experiment, stores, split.train, split.valid, seed, on_epoch)
            recalls.append(kept)
        else:
            fit_system(system, experiment, stores, split.train, (), seed)  # they judge the trial, so no validation
            probabilities = predict(system, experiment, stores, split.valid)
            recalls.append(unweighted_recall(probabilities, experiment.classes(split.valid)))
            report(number, recalls[-1])
    return float(np.mean(recalls))

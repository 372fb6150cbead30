"""Fine-tunes a trained network after it was changed for the device: the folds' models with early stopping on inner
speakers, the shipped model for the median of their epochs."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch.optim import Optimizer

from speech_emotion.corpora.splits import Fold
from speech_emotion.learning.network import Network
from speech_emotion.params import FineTuning
from speech_emotion.store.arrays import ArrayStore
from speech_emotion.systems.network import NetworkSystem
from speech_emotion.training.fitting import Experiment, fit_system, refit, training_seed


@dataclass(frozen=True)
class FoldModel:
    """One fold's trained model.

    Attributes:
        path: folder of the saved model.
        experiment: in which it was trained.
        fold: its training, inner validation and test speakers.
        seed: of its training.
    """

    path: Path
    experiment: Experiment
    fold: Fold
    seed: int


def tuned_on_fold(
    system: NetworkSystem,
    experiment: Experiment,
    stores: Mapping[str, ArrayStore],
    fold: Fold,
    tuning: FineTuning,
    purpose: str,
    seed: int,
) -> tuple[NetworkSystem, int]:
    """Fine-tunes a changed system on a fold's training speakers, with early stopping on its inner speakers.

    Args:
        system: trained, with the changed network; it is not modified.
        experiment: in which it was trained.
        stores: feature -> store of its arrays.
        fold: its speakers.
        tuning: epochs at most, and learning rate as a factor of the system's own.
        purpose: part of the seed, so that the random draws differ from those of training.
        seed: of the fold's training.

    Returns:
        the fine-tuned system, and the number of epochs.
    """
    going_on = _going_on(system, tuning.learning_rate)
    experiment = replace(experiment, max_epochs=min(tuning.epochs, experiment.max_epochs))
    seed = training_seed(seed, experiment.protocol, experiment.system, fold.name, purpose)
    fit = fit_system(going_on, experiment, stores, fold.train, fold.valid, seed)
    return with_network(system, going_on.network), fit.best_epoch


def tuned_on_all(
    system: NetworkSystem,
    experiment: Experiment,
    stores: Mapping[str, ArrayStore],
    tuning: FineTuning,
    purpose: str,
    epochs: int,
    seed: int,
) -> NetworkSystem:
    """Fine-tunes a changed system on all speakers, for shipping.

    Args:
        system: trained, with the changed network; it is not modified.
        experiment: in which it was trained.
        stores: feature -> store of its arrays.
        tuning: its learning rate, a factor of the system's own, is used.
        purpose: part of the seed, so that the random draws differ from those of training.
        epochs: number of epochs.
        seed: of the training.
    """
    going_on = _going_on(system, tuning.learning_rate)
    seed = training_seed(seed, experiment.protocol, experiment.system, "refit", purpose)
    refit(going_on, experiment, stores, seed, epochs, temperature=1.0)
    return with_network(system, going_on.network)


def epochs_for_shipping(epochs: Sequence[int]) -> int:
    """The median of the folds' epochs, at least 1."""
    return max(1, int(np.median(epochs)))


def with_network(system: NetworkSystem, network: Network) -> NetworkSystem:
    """A copy of the system with another network, which is put into evaluation mode."""
    other = copy.copy(system)
    other.network = network.eval()
    return other


def _going_on(system: NetworkSystem, factor: float) -> NetworkSystem:
    """A copy of the system that the training loop continues from: `build` returns a copy of the trained network.

    Args:
        system: trained.
        factor: of the system's learning rate.
    """
    network, other = copy.deepcopy(system.network), copy.copy(system)

    def slower() -> Optimizer:
        optimiser = type(other).optimiser(other)
        for group in optimiser.param_groups:
            group["lr"] *= factor
        return optimiser

    other.build, other.optimiser = lambda: network, slower
    return other

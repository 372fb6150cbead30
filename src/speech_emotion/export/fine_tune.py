"""A trained network that was changed for the device is trained further: the folds' models with early stopping on inner
speakers, the shipped one for as many epochs as they needed."""

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
        path: its folder.
        experiment: that it was trained in.
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
    """A changed system, fine-tuned on the fold's training speakers with early stopping on its inner ones; its epochs.

    Args:
        purpose: names the draws of this fine-tuning, beside those of training.
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
    """A changed system, fine-tuned on all speakers for shipping."""
    going_on = _going_on(system, tuning.learning_rate)
    seed = training_seed(seed, experiment.protocol, experiment.system, "refit", purpose)
    refit(going_on, experiment, stores, seed, epochs, temperature=1.0)
    return with_network(system, going_on.network)


def epochs_for_shipping(epochs: Sequence[int]) -> int:
    """The median of those that the folds' models needed, 1 at least."""
    return max(1, int(np.median(epochs)))


def with_network(system: NetworkSystem, network: Network) -> NetworkSystem:
    """The same system around another network, which is put into evaluation mode."""
    other = copy.copy(system)
    other.network = network.eval()
    return other


def _going_on(system: NetworkSystem, factor: float) -> NetworkSystem:
    """The system as the training loop wants it, which asks it for a fresh network: it gives a copy of its own.

    Args:
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

"""What an experiment is, and how a system is fitted and asked: everything here decides a unit's result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from speech_emotion.errors import UserError
from speech_emotion.params import CPU, Device, Feature, Needs, Recipe
from speech_emotion.randomness import generator
from speech_emotion.store.arrays import ArrayStore
from speech_emotion.systems.base import System
from speech_emotion.systems.catalogue import create_system
from speech_emotion.systems.estimator import EstimatorSystem
from speech_emotion.systems.network import NetworkSystem
from speech_emotion.training.loop import Fit, fit_network, predict_network
from speech_emotion.training.windows import Windows


@dataclass(frozen=True)
class Experiment:
    """A system on a corpus: what its units share. Picklable: features are opened where they are used.

    Attributes:
        features: folder of the features step.
        targets: id -> class number, in the order of `labels`, of every utterance that counts.
        max_epochs: the budget's ceiling; the system's own `epochs` is another.
        device: where networks are trained, as `train.device`; estimators and predictions take the CPU.
    """

    corpus: str
    protocol: str
    system: str
    needs: Needs
    recipe: Recipe
    definitions: Mapping[str, Feature]
    features: Path
    sample_rate: int
    labels: tuple[str, ...]
    targets: Mapping[str, int]
    max_epochs: int
    patience: int
    device: Device = CPU

    def stores(self) -> dict[str, ArrayStore]:
        """Feature name -> arrays, with no more copies than the system wants."""
        return {
            name: ArrayStore(
                self.features / name / self.needs.variant(self.definitions[name], self.sample_rate), self.needs.copies
            )
            for name in self.needs.features
        }

    def create(self, hyperparameters: Mapping[str, Any], stores: Mapping[str, ArrayStore]) -> System:
        """A fresh system for these features."""
        some = next(iter(self.targets))
        dims = {name: store[some].shape[-1] for name, store in stores.items()}
        return create_system(
            self.system, hyperparameters, self.recipe, self.definitions, dims, self.sample_rate, self.labels
        )

    def classes(self, ids: Sequence[str]) -> np.ndarray:
        """(N,) class numbers."""
        return np.array([self.targets[id] for id in ids])


def training_seed(seed: int, *key: str) -> int:
    """The seed of one training, different for each system and fold."""
    return int(generator(seed, "training", *key).integers(2**31))


def fit_system(
    system: System,
    experiment: Experiment,
    stores: Mapping[str, ArrayStore],
    train: Sequence[str],
    valid: Sequence[str],
    seed: int,
    on_epoch: Any = None,
    again_on_all: bool = True,
) -> Fit:
    """Fits a system in place on some utterances, with others for validation.

    A network stops early on the validation utterances. An estimator has its temperature fitted on them, then, where
    `again_on_all`, is fitted again on both, since it needs no epoch chosen.
    """
    if isinstance(system, NetworkSystem):
        return fit_network(
            system,
            _windows(system, experiment, stores, train, copies=experiment.needs.copies > 0),
            _windows(system, experiment, stores, valid),
            seed,
            min(system.params.epochs, experiment.max_epochs),
            experiment.patience,
            *([on_epoch] if on_epoch else []),
            device=experiment.device,
        )
    system.estimator = system.build(seed)
    system.estimator.fit(vectors(stores, train), experiment.classes(train))
    system.fit_temperature(vectors(stores, valid), experiment.classes(valid))
    if not again_on_all:
        return Fit(best_epoch=0)
    both = [*train, *valid]
    system.estimator = system.build(seed).fit(vectors(stores, both), experiment.classes(both))
    return Fit(best_epoch=0)


def refit(
    system: System,
    experiment: Experiment,
    stores: Mapping[str, ArrayStore],
    seed: int,
    epochs: int,
    temperature: float,
) -> Fit:
    """Fits on every utterance for shipping, with the epochs (or the temperature) that the folds found."""
    ids = sorted(experiment.targets)
    if isinstance(system, NetworkSystem):
        windows = _windows(system, experiment, stores, ids, copies=experiment.needs.copies > 0)
        return fit_network(system, windows, None, seed, max(epochs, 1), experiment.patience, device=experiment.device)
    system.estimator = system.build(seed).fit(vectors(stores, ids), experiment.classes(ids))
    system.temperature = temperature
    return Fit(best_epoch=0)


def predict(system: System, experiment: Experiment, stores: Mapping[str, ArrayStore], ids: Sequence[str]) -> np.ndarray:
    """Probabilities (N, classes) of utterances."""
    if isinstance(system, NetworkSystem):
        return predict_network(system, _windows(system, experiment, stores, ids))
    if isinstance(system, EstimatorSystem):
        return system.predict_proba(vectors(stores, ids))
    raise TypeError(f"{type(system)}: neither a network nor an estimator")


def vectors(stores: Mapping[str, ArrayStore], ids: Sequence[str]) -> np.ndarray:
    """(N, D): the features of each utterance, one after the other.

    Raises:
        UserError: a feature has frames; an estimator wants one vector an utterance.
    """
    for name, store in stores.items():
        if (array := store[ids[0]]).ndim != 1:
            raise UserError(
                f"feature {name}: shape {array.shape}: an estimator takes statistics, one vector an utterance"
            )
    return np.stack([np.concatenate([store[id] for store in stores.values()]) for id in ids]).astype(np.float64)


def _windows(
    system: NetworkSystem,
    experiment: Experiment,
    stores: Mapping[str, ArrayStore],
    ids: Sequence[str],
    copies: bool = False,
) -> Windows:
    p = system.params
    return Windows(stores, ids, experiment.classes(ids), p.window_frames, p.hop_frames, copies)

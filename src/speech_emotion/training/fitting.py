"""What an experiment is, and how a system is fitted and asked on parts of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from speech_emotion.learning.loop import Fit, Limits
from speech_emotion.learning.utterances import Utterances
from speech_emotion.params import CPU, Device, Feature, Needs, Recipe
from speech_emotion.randomness import generator
from speech_emotion.recorder import OnEpoch
from speech_emotion.store.arrays import ArrayStore
from speech_emotion.systems.base import System, SystemConfig
from speech_emotion.systems.catalogue import create_system, system_class

Members = Mapping[str, Mapping[str, Sequence[float]]]  # system -> id -> probabilities in the order of the labels


@dataclass(frozen=True)
class Experiment:
    """A system on a corpus: what its units share. Picklable: features are opened where they are used.

    Attributes:
        config: which system.
        features: folder of the features step.
        targets: id -> class number, in the order of `labels`, of every utterance that counts.
        max_epochs: the budget's ceiling; the system's own `epochs` is another.
        device: where networks are trained, as `train.device`; estimators and predictions take the CPU.
    """

    corpus: str
    protocol: str
    config: SystemConfig
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

    @property
    def system(self) -> str:
        """The system's id."""
        return self.config.id

    def stores(self) -> dict[str, ArrayStore]:
        """Feature name -> arrays, with as many copies as the system wants; none for one that takes no features."""
        if not system_class(self.config).TAKES_FEATURES:
            return {}
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
        definitions = {name: self.definitions[name] for name in dims}
        return create_system(
            self.config, hyperparameters, self.recipe, definitions, dims, self.sample_rate, self.labels
        )

    def classes(self, ids: Sequence[str]) -> np.ndarray:
        """(N,) class numbers."""
        return np.array([self.targets[id] for id in ids])

    def utterances(
        self, stores: Mapping[str, ArrayStore], ids: Sequence[str], copies: bool = False, members: Members | None = None
    ) -> Utterances:
        """Some utterances, as systems take them.

        Args:
            stores: of stores().
            ids: of the utterances.
            copies: with the augmented copies that the system asks for, for training.
            members: predictions of the systems that this one builds on; those that lack an utterance are left out.
        """
        known = {
            system: np.array([rows[id] for id in ids])
            for system, rows in (members or {}).items()
            if all(id in rows for id in ids)
        }
        return Utterances(tuple(ids), self.classes(ids), stores, copies and self.needs.copies > 0, known)

    def limits(self) -> Limits:
        """What bounds a training beside the system's own hyper-parameters."""
        return Limits(self.max_epochs, self.patience, self.device)


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
    on_epoch: OnEpoch = lambda epoch, values: None,
    members: Members | None = None,
) -> Fit:
    """Fits a system in place on some utterances, with others for validation."""
    return system.fit(
        experiment.utterances(stores, train, copies=True, members=members),
        experiment.utterances(stores, valid, members=members) if valid else None,
        seed,
        experiment.limits(),
        on_epoch,
    )


def refit(
    system: System,
    experiment: Experiment,
    stores: Mapping[str, ArrayStore],
    seed: int,
    epochs: int,
    temperature: float,
    members: Members | None = None,
) -> Fit:
    """Fits on every utterance for shipping, with the epochs and the temperature that the folds found."""
    everything = experiment.utterances(stores, sorted(experiment.targets), copies=True, members=members)
    limits = Limits(max(epochs, 1), experiment.patience, experiment.device)
    return system.refit(everything, seed, limits, temperature)


def predict(
    system: System,
    experiment: Experiment,
    stores: Mapping[str, ArrayStore],
    ids: Sequence[str],
    members: Members | None = None,
) -> np.ndarray:
    """Probabilities (N, classes) of utterances."""
    return system.predict_proba(experiment.utterances(stores, ids, members=members))

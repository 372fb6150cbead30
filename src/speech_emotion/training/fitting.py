"""Experiments, and fitting and prediction on parts of them."""

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
    """A system on a corpus: everything that its fold runs share. Picklable, since features are opened when used.

    Attributes:
        corpus: name of the corpus.
        protocol: name of the evaluation protocol.
        config: the system.
        needs: the system's section of `needs`.
        recipe: preprocessing of the waveforms.
        definitions: feature name -> definition.
        features: output folder of the step features.
        sample_rate: sample rate of the preprocessed waveforms, in Hz.
        labels: emotions in the order of the class numbers.
        targets: id -> class number of every utterance of the protocol.
        max_epochs: the budget's limit; the system's own `epochs` is a second limit.
        patience: epochs without improvement before training stops.
        device: where networks are trained, a value of `train.device`; estimators and predictions use the CPU.
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
        """Feature name -> arrays, with as many copies as the system needs; empty for a system without features."""
        if not system_class(self.config).TAKES_FEATURES:
            return {}
        return {
            name: ArrayStore(
                self.features / name / self.needs.variant(self.definitions[name], self.sample_rate), self.needs.copies
            )
            for name in self.needs.features
        }

    def create(self, hyperparameters: Mapping[str, Any], stores: Mapping[str, ArrayStore]) -> System:
        """A new, unfitted system for these features."""
        some = next(iter(self.targets))
        dims = {name: store[some].shape[-1] for name, store in stores.items()}
        definitions = {name: self.definitions[name] for name in dims}
        return create_system(
            self.config, hyperparameters, self.recipe, definitions, dims, self.sample_rate, self.labels
        )

    def classes(self, ids: Sequence[str]) -> np.ndarray:
        """Class numbers (N,) of the utterances."""
        return np.array([self.targets[id] for id in ids])

    def utterances(
        self, stores: Mapping[str, ArrayStore], ids: Sequence[str], copies: bool = False, members: Members | None = None
    ) -> Utterances:
        """Utterances as the input of a system.

        Args:
            stores: the features, from stores().
            ids: ids of the utterances.
            copies: add the augmented copies that the system needs, for training.
            members: predictions of the systems that this one builds on; a system without a prediction for every
                utterance is left out.
        """
        known = {
            system: np.array([rows[id] for id in ids])
            for system, rows in (members or {}).items()
            if all(id in rows for id in ids)
        }
        return Utterances(tuple(ids), self.classes(ids), stores, copies and self.needs.copies > 0, known)

    def limits(self) -> Limits:
        """Settings of a training that are not the system's hyper-parameters."""
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
    """Fits a system in place on the utterances `train`, with the utterances `valid` (may be empty) for validation."""
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
    """Fits on all utterances, for the model that is shipped, with the epochs and the temperature found on the folds."""
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
    """Predicted probabilities (N, classes) of the utterances `ids`."""
    return system.predict_proba(experiment.utterances(stores, ids, members=members))

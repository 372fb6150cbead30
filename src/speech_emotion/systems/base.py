"""The interface of every system: fit, predict, save, search space, and the reason if it cannot run on the device."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from speech_emotion.learning.loop import Fit, Limits
from speech_emotion.learning.utterances import Utterances
from speech_emotion.params import Feature, Recipe, Section
from speech_emotion.recorder import OnEpoch


@dataclass(frozen=True)
class SystemConfig:
    """A named configuration of an architecture: an entry of params.yaml's `systems`.

    Attributes:
        id: the system's key in that section.
        architecture: name of the architecture.
        title: the name shown in tables.
        paper: folder under papers/ with the paper's claims.
        builds_on: ids of the systems whose predictions it uses: a student's teachers, an ensemble's members.
    """

    id: str
    architecture: str
    title: str
    paper: str
    builds_on: tuple[str, ...] = ()


@dataclass(frozen=True)
class Definition:
    """Everything needed to build a system; saved as system.json beside its weights.

    Attributes:
        config: the system's configuration.
        params: hyper-parameters, an instance of the architecture's Params class.
        recipe: preprocessing of the waveforms.
        features: name -> definition, in the order of the system's inputs.
        dims: name -> number of dimensions, derivatives included.
        sample_rate: sample rate of the preprocessed waveforms, in Hz.
        labels: emotions in the order of the outputs.
    """

    config: SystemConfig
    params: Section
    recipe: Recipe
    features: Mapping[str, Feature]
    dims: Mapping[str, int]
    sample_rate: int
    labels: tuple[str, ...]

    @property
    def id(self) -> str:
        return self.config.id

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.config.id,
            "architecture": self.config.architecture,
            "title": self.config.title,
            "paper": self.config.paper,
            "builds_on": list(self.config.builds_on),
            "params": self.params.model_dump(mode="json"),
            "recipe": self.recipe.model_dump(),
            "features": {name: feature.model_dump(exclude_none=True) for name, feature in self.features.items()},
            "dims": dict(self.dims),
            "sample_rate": self.sample_rate,
            "labels": list(self.labels),
        }


@dataclass(frozen=True)
class TestParams:
    """A small, fast configuration of an architecture for the tests.

    Attributes:
        hyperparameters: values of all hyper-parameters without a default, and of any others.
        features: kinds of its inputs, in order (params.yaml's `features.<name>.kind`).
        epochs: number of epochs in which it learns an easy task.
        members: number of systems that it builds on.
    """

    __test__ = False  # pytest must not collect it

    hyperparameters: Mapping[str, Any]
    features: tuple[str, ...]
    epochs: int = 1
    members: int = 0


class System(ABC):
    """A speech emotion recogniser, built from a Definition and fitted on Utterances.

    Class attributes:
        ARCHITECTURE: its name in params.yaml and in the keys of fold runs; the file is named after it.
        VERSION: raise it when the same inputs and hyper-parameters give other results.
        PAPER: default folder under papers/, for systems that name none.
        Params: types and ranges of the hyper-parameters; a key contains only those that differ from their default.
        BY_EPOCH: it trains in epochs and reports each one; a search then judges its trials epoch by epoch.
        USES_GPU: it trains on a GPU if there is one.
        TAKES_FEATURES: it uses features; otherwise it uses only the predictions of the systems it builds on.
        ASKS_MEMBERS_FOR: the parts of a fold ("train", "valid", "test") for which it needs the predictions of the
            systems it builds on.
    """

    ARCHITECTURE: ClassVar[str]
    VERSION: ClassVar[int]
    PAPER: ClassVar[str]
    Params: ClassVar[type[Section]]
    BY_EPOCH: ClassVar[bool] = False
    USES_GPU: ClassVar[bool] = False
    TAKES_FEATURES: ClassVar[bool] = True
    ASKS_MEMBERS_FOR: ClassVar[tuple[str, ...]] = ()

    def __init__(self, definition: Definition):
        self.definition = definition
        self.params: Any = definition.params
        self.temperature = 1.0  # of the softmax

    @property
    def name(self) -> str:
        return self.definition.id

    @property
    def classes(self) -> int:
        """Number of emotions."""
        return len(self.definition.labels)

    @property
    def not_deployable(self) -> str:
        """Why the system cannot run on the device; empty if it can."""
        if reason := self.definition.recipe.not_deployable:
            return reason
        reasons = (feature.not_deployable for feature in self.definition.features.values())
        return next(filter(None, reasons), "")

    @abstractmethod
    def fit(
        self,
        train: Utterances,
        valid: Utterances | None,
        seed: int,
        limits: Limits,
        on_epoch: OnEpoch = lambda epoch, values: None,
    ) -> Fit:
        """Fits the system in place.

        Args:
            train: training utterances.
            valid: inner validation utterances, for early stopping or the temperature; None if there are none.
            seed: seed of all random draws.
            limits: epochs, patience and device.
            on_epoch: called with each epoch's number, from 1, and its values.

        Raises:
            UserError: the features have the wrong shape, the loss overflows, or the device does not exist.
        """

    def refit(self, everything: Utterances, seed: int, limits: Limits, temperature: float) -> Fit:
        """Fits on all utterances, without validation, to make the model that is shipped.

        Args:
            everything: all utterances.
            seed: seed of all random draws.
            limits: device, patience, and `max_epochs` as found on the folds.
            temperature: as found on the folds.
        """
        fit = self.fit(everything, None, seed, limits)
        self.temperature = temperature
        return fit

    @abstractmethod
    def predict_proba(self, utterances: Utterances) -> np.ndarray:
        """Probabilities (N, classes), in the order of the utterances and of the definition's labels."""

    @classmethod
    @abstractmethod
    def search_space(cls, trial: Any) -> dict[str, Any]:
        """The hyper-parameters that an Optuna trial suggests; all others keep their values from params.yaml."""

    @classmethod
    @abstractmethod
    def test_params(cls) -> TestParams:
        """A small, fast configuration for the tests that every architecture must pass."""

    @abstractmethod
    def parameter_count(self) -> int:
        """Number of trained parameters of the fitted system."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Writes the fitted parts into an existing folder, beside system.json."""

    @abstractmethod
    def restore(self, folder: Path) -> None:
        """Reads what `save` wrote. Raises UserError if a file holds untrusted types."""

"""What every system is: how it is fitted, asked, saved and searched, and why it cannot go to the device if so."""

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
        id: its key there.
        architecture: name of the architecture.
        title: as tables show it.
        paper: folder under papers/ that holds its claims.
        builds_on: ids of systems whose predictions it takes: a student's teachers, an ensemble's members.
    """

    id: str
    architecture: str
    title: str
    paper: str
    builds_on: tuple[str, ...] = ()


@dataclass(frozen=True)
class Definition:
    """All that is needed to build a system: written as system.json beside its weights.

    Attributes:
        config: which system it is.
        params: hyper-parameters, of the architecture's Params class.
        recipe: how waveforms are prepared.
        features: name -> definition, in the order that the system asked for.
        dims: name -> number of dimensions, derivatives included.
        sample_rate: Hz of the prepared waveform.
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
    """A small, fast setting of an architecture, with which the tests see whether it works.

    Attributes:
        hyperparameters: all that have no default, and others.
        features: kinds of its inputs, in their order (params.yaml's `features.<name>.kind`).
        epochs: that it takes to learn something easy.
        members: how many systems it builds on.
    """

    __test__ = False  # it is no test

    hyperparameters: Mapping[str, Any]
    features: tuple[str, ...]
    epochs: int = 1
    members: int = 0


class System(ABC):
    """A recogniser: built from a Definition, fitted on Utterances, saved whole.

    Class attributes:
        ARCHITECTURE: its name in params.yaml and in the keys of finished trainings; the file is named after it.
        VERSION: raise it when the architecture makes something else of the same inputs and hyper-parameters.
        PAPER: folder under papers/ of systems that name no other.
        Params: types and ranges of its hyper-parameters; those with a default count in a key only where they differ.
        BY_EPOCH: it trains in epochs and tells of each; its search then judges them one by one.
        USES_GPU: it trains on a GPU where there is one.
        TAKES_FEATURES: it is given features; otherwise only predictions of what it builds on.
        ASKS_MEMBERS_FOR: parts of a fold, of "train", "valid" and "test", on which it needs predictions of the systems
            that it builds on.
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
        self.temperature = 1.0  # of its probabilities

    @property
    def name(self) -> str:
        return self.definition.id

    @property
    def classes(self) -> int:
        """How many emotions it tells apart."""
        return len(self.definition.labels)

    @property
    def not_deployable(self) -> str:
        """Why the system cannot go to the device; empty if it can."""
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
            train: what it learns from.
            valid: inner validation utterances, for what must not be chosen on those; None to do without.
            seed: of all random draws.
            limits: epochs, patience and device.
            on_epoch: told each epoch's number, from 1, and its values.

        Raises:
            UserError: features of another shape, hyper-parameters that make the loss overflow, no such device.
        """

    def refit(self, everything: Utterances, seed: int, limits: Limits, temperature: float) -> Fit:
        """Fits on every utterance for shipping, with the folds' epochs (`limits.max_epochs`) and temperature."""
        fit = self.fit(everything, None, seed, limits)
        self.temperature = temperature
        return fit

    @abstractmethod
    def predict_proba(self, utterances: Utterances) -> np.ndarray:
        """Probabilities (N, classes), in the order of the utterances and of the definition's labels."""

    @classmethod
    @abstractmethod
    def search_space(cls, trial: Any) -> dict[str, Any]:
        """Hyper-parameters that an Optuna trial suggests; the others stay as params.yaml has them."""

    @classmethod
    @abstractmethod
    def test_params(cls) -> TestParams:
        """A small, fast setting for the tests that every architecture passes."""

    @abstractmethod
    def parameter_count(self) -> int:
        """Trained numbers, once the system is fitted."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Writes what was fitted into an existing folder, beside system.json."""

    @abstractmethod
    def restore(self, folder: Path) -> None:
        """Reads what `save` wrote. Raises UserError where it holds what is not trusted."""

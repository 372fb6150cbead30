"""What every system is: its definition as data, and the reason if it cannot go to the device."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from speech_emotion.params import Feature, Recipe, Section


@dataclass(frozen=True)
class Definition:
    """All that is needed to build a system: written as system.json beside its weights.

    Attributes:
        id: module name under systems/.
        params: hyper-parameters, of the system's Params class.
        recipe: how waveforms are prepared.
        features: name -> definition, in the order that the system asked for.
        dims: name -> number of dimensions, derivatives included.
        sample_rate: Hz of the prepared waveform.
        labels: emotions in the order of the outputs.
    """

    id: str
    params: Section
    recipe: Recipe
    features: Mapping[str, Feature]
    dims: Mapping[str, int]
    sample_rate: int
    labels: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "params": self.params.model_dump(),
            "recipe": self.recipe.model_dump(),
            "features": {name: feature.model_dump(exclude_none=True) for name, feature in self.features.items()},
            "dims": dict(self.dims),
            "sample_rate": self.sample_rate,
            "labels": list(self.labels),
        }


class System(ABC):
    """A recogniser: built from a Definition, trained by training/, saved whole.

    Class attributes:
        TITLE: as tables show it.
        PAPER: folder under papers/ that holds its claims.
        Params: types and ranges of its hyper-parameters; values stand in params.yaml under systems.<id>.
    """

    TITLE: ClassVar[str]
    PAPER: ClassVar[str]
    Params: ClassVar[type[Section]]

    def __init__(self, definition: Definition):
        self.definition = definition
        self.params: Any = definition.params

    @property
    def not_deployable(self) -> str:
        """Why the system cannot go to the device; empty if it can."""
        if reason := self.definition.recipe.not_deployable:
            return reason
        reasons = (feature.not_deployable for feature in self.definition.features.values())
        return next(filter(None, reasons), "")

    @classmethod
    @abstractmethod
    def search_space(cls, trial: Any) -> dict[str, Any]:
        """Hyper-parameters that an Optuna trial suggests; the others stay as params.yaml has them."""

    @abstractmethod
    def parameter_count(self) -> int:
        """Trained numbers, once the system is fitted."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Writes what was fitted into an existing folder, beside system.json."""

    @abstractmethod
    def restore(self, folder: Path) -> None:
        """Reads what `save` wrote."""

"""Systems that combine the saved predictions of other systems."""

from abc import abstractmethod
from pathlib import Path
from typing import Any

import numpy as np

from speech_emotion.errors import UserError
from speech_emotion.learning.loop import Fit, Limits
from speech_emotion.learning.utterances import Utterances
from speech_emotion.recorder import OnEpoch
from speech_emotion.systems.base import System


class CombinationSystem(System):
    """Combines the predictions of the systems in `builds_on`, at least two. Nothing is fitted."""

    TAKES_FEATURES = False
    ASKS_MEMBERS_FOR = ("test",)

    @property
    def not_deployable(self) -> str:
        return "it combines the predictions of other systems"

    @abstractmethod
    def combine(self, members: np.ndarray) -> np.ndarray:
        """Probabilities of the members (members, N, classes) -> probabilities (N, classes)."""

    def fit(
        self,
        train: Utterances,
        valid: Utterances | None,
        seed: int,
        limits: Limits,
        on_epoch: OnEpoch = lambda epoch, values: None,
    ) -> Fit:
        if len(self.definition.config.builds_on) < 2:
            raise UserError(f"systems.{self.name}.builds_on: must name at least two systems to combine")
        return Fit()

    def predict_proba(self, utterances: Utterances) -> np.ndarray:
        members = [utterances.of_member(system, self.classes) for system in self.definition.config.builds_on]
        return self.combine(np.stack(members))

    @classmethod
    def search_space(cls, trial: Any) -> dict[str, Any]:
        return {}

    def parameter_count(self) -> int:
        return 0

    def save(self, folder: Path) -> None:
        pass

    def restore(self, folder: Path) -> None:
        pass

"""Systems that train without epochs and give a score for each class; a temperature turns scores into probabilities."""

import json
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from scipy.special import softmax

from speech_emotion.errors import UserError
from speech_emotion.learning.loop import Fit, Limits
from speech_emotion.learning.scores import likeliest_temperature
from speech_emotion.learning.utterances import Utterances
from speech_emotion.recorder import OnEpoch
from speech_emotion.systems.base import System

ESTIMATOR = "estimator.skops"
TEMPERATURE = "temperature.json"


class ScoringSystem(System):
    """A system whose `estimator`, made by `learn`, is a scikit-learn object or lists and dicts of such objects.

    Probabilities are softmax(scores / temperature), with the temperature fitted on the inner validation speakers.
    After that, the estimator is fitted again with these speakers included, since they are not needed to choose an
    epoch.

    Class attributes:
        TRUSTED: types that skops may load in addition to its own safe list.
    """

    TRUSTED: tuple[str, ...] = ()

    estimator: Any = None

    @abstractmethod
    def learn(self, utterances: Utterances, seed: int) -> Any:
        """A fitted estimator."""

    @abstractmethod
    def scores(self, utterances: Utterances) -> np.ndarray:
        """Scores (N, classes); -inf for a class without training utterances."""

    def fit(
        self,
        train: Utterances,
        valid: Utterances | None,
        seed: int,
        limits: Limits,
        on_epoch: OnEpoch = lambda epoch, values: None,
    ) -> Fit:
        self.estimator = self.learn(train, seed)
        if valid is not None:
            self.temperature = likeliest_temperature(self.scores(valid), valid.targets)
            self.estimator = self.learn(joined(train, valid), seed)
        return Fit()

    def predict_proba(self, utterances: Utterances) -> np.ndarray:
        return softmax(self.scores(utterances) / self.temperature, axis=1)

    def save(self, folder: Path) -> None:
        skops.io.dump(self.estimator, folder / ESTIMATOR)
        (folder / TEMPERATURE).write_text(json.dumps({"temperature": self.temperature}) + "\n")

    def restore(self, folder: Path) -> None:
        path = folder / ESTIMATOR
        if surplus := sorted(set(skops.io.get_untrusted_types(file=path)) - set(self.TRUSTED)):
            raise UserError(f"{path}: contains untrusted types: {', '.join(surplus)}: do not load it")
        self.estimator = skops.io.load(path, trusted=list(self.TRUSTED))
        self.temperature = json.loads((folder / TEMPERATURE).read_text())["temperature"]


def joined(*parts: Utterances) -> Utterances:
    """The utterances of several parts of a fold together."""
    ids: Sequence[str] = [id for part in parts for id in part.ids]
    return Utterances(ids, np.concatenate([part.targets for part in parts]), parts[0].stores, parts[0].copies)

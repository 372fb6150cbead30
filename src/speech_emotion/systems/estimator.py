"""Systems that are scikit-learn estimators over one vector an utterance."""

import json
from abc import abstractmethod
from pathlib import Path

import numpy as np
import skops.io
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator

from speech_emotion.errors import UserError
from speech_emotion.systems.base import Definition, System

ESTIMATOR = "estimator.skops"
TEMPERATURES = np.geomspace(0.05, 20.0, 121)


class EstimatorSystem(System):
    """An estimator with `decision_function`; probabilities are its softmax, sharpened or flattened by one temperature.

    The temperature is fitted on inner validation speakers (Guo et al. 2017, "On Calibration of Modern Neural
    Networks").
    """

    TRUSTED: tuple[str, ...] = ()  # types that skops may load beyond its own safe list

    def __init__(self, definition: Definition):
        super().__init__(definition)
        self.estimator: BaseEstimator | None = None
        self.temperature = 1.0

    @property
    def not_deployable(self) -> str:
        return super().not_deployable or "a scikit-learn estimator has no form inside the graph"

    @abstractmethod
    def build(self, seed: int) -> BaseEstimator:
        """A fresh estimator."""

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """(N, D) -> decision values (N, classes), in the order of the definition's labels; -inf for a class unseen."""
        decisions = self.estimator.decision_function(vectors)
        if decisions.ndim == 1:  # two classes give one column
            decisions = np.stack([-decisions, decisions], axis=1)
        scores = np.full((len(vectors), len(self.definition.labels)), -np.inf)
        scores[:, self.estimator.classes_] = decisions
        return scores

    def predict_proba(self, vectors: np.ndarray) -> np.ndarray:
        """(N, D) -> probabilities (N, classes)."""
        return softmax(self.scores(vectors) / self.temperature, axis=1)

    def fit_temperature(self, vectors: np.ndarray, targets: np.ndarray) -> None:
        """Chooses the temperature that gives the targets (N,) the highest likelihood."""
        scores = self.scores(vectors)
        rows = np.arange(len(targets))
        known = np.isfinite(scores[rows, targets])
        losses = [
            -log_softmax(scores[known] / t, axis=1)[rows[: known.sum()], targets[known]].sum() for t in TEMPERATURES
        ]
        self.temperature = float(TEMPERATURES[int(np.argmin(losses))])

    def save(self, folder: Path) -> None:
        skops.io.dump(self.estimator, folder / ESTIMATOR)
        (folder / "temperature.json").write_text(json.dumps({"temperature": self.temperature}) + "\n")

    def restore(self, folder: Path) -> None:
        path = folder / ESTIMATOR
        if surplus := sorted(set(skops.io.get_untrusted_types(file=path)) - set(self.TRUSTED)):
            raise UserError(f"{path}: holds types that are not trusted: {', '.join(surplus)}: do not load it")
        self.estimator = skops.io.load(path, trusted=list(self.TRUSTED))
        self.temperature = json.loads((folder / "temperature.json").read_text())["temperature"]

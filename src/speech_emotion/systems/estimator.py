"""Systems that are scikit-learn estimators over one vector for each utterance."""

from abc import abstractmethod

import numpy as np
from sklearn.base import BaseEstimator

from speech_emotion.learning.utterances import Utterances
from speech_emotion.systems.scoring import ScoringSystem


class EstimatorSystem(ScoringSystem):
    """An estimator with `decision_function`. Its input is the concatenation of an utterance's features."""

    @property
    def not_deployable(self) -> str:
        return super().not_deployable or "a scikit-learn estimator cannot be computed inside the ONNX graph"

    @abstractmethod
    def build(self, seed: int) -> BaseEstimator:
        """A new, unfitted estimator; `seed` is the seed of its random draws."""

    def learn(self, utterances: Utterances, seed: int) -> BaseEstimator:
        return self.build(seed).fit(self._vectors(utterances), utterances.targets)

    def scores(self, utterances: Utterances) -> np.ndarray:
        decisions = self.estimator.decision_function(self._vectors(utterances))
        if decisions.ndim == 1:  # two classes give one column
            decisions = np.stack([-decisions, decisions], axis=1)
        scores = np.full((len(utterances), self.classes), -np.inf)
        scores[:, self.estimator.classes_] = decisions
        return scores

    def _vectors(self, utterances: Utterances) -> np.ndarray:
        """The concatenated features of each utterance, (N, D) float64."""
        loaded = (utterances.load(id, self.definition.dims, frames=False) for id in utterances.ids)
        return np.stack([np.concatenate(list(arrays.values())) for arrays in loaded]).astype(np.float64)

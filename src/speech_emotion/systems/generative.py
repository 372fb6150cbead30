"""Systems with one generative model for each class, which score an utterance by its log-likelihood."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler

from speech_emotion.learning.utterances import Utterances
from speech_emotion.systems.scoring import ScoringSystem


class GenerativeSystem(ScoringSystem):
    """One model for each class over the frames of its utterances. All classes have the same prior.

    Frames are standardised with the mean and deviation of the training frames. An utterance's score is the mean
    log-likelihood of its frames, so it does not grow with length. Features are cut to the number of frames that all
    of them have.
    """

    @property
    def not_deployable(self) -> str:
        return super().not_deployable or "a generative model cannot be computed inside the ONNX graph"

    @abstractmethod
    def learn_class(self, sequences: Sequence[np.ndarray], seed: int) -> Any:
        """Fits a model on the utterances of one class.

        Args:
            sequences: standardised frames of each utterance, (frames, D).
            seed: seed of all random draws.
        """

    @abstractmethod
    def log_likelihood(self, model: Any, sequence: np.ndarray) -> float:
        """Mean log-likelihood under a class's model of the standardised frames (frames, D) of one utterance."""

    def learn(self, utterances: Utterances, seed: int) -> dict[str, Any]:
        """The scaler, and one model for each class in the order of the labels (None for a class without utterances)."""
        sequences = self._sequences(utterances)
        scaler = StandardScaler().fit(np.concatenate(sequences))
        models: list[Any] = []
        for target in range(self.classes):
            chosen = np.flatnonzero(np.asarray(utterances.targets) == target)
            scaled = [scaler.transform(sequences[place]) for place in chosen]
            models.append(self.learn_class(scaled, seed) if scaled else None)
        return {"scaler": scaler, "models": models}

    def scores(self, utterances: Utterances) -> np.ndarray:
        scores = np.full((len(utterances), self.classes), -np.inf)
        for row, sequence in enumerate(self._sequences(utterances)):
            scaled = self.estimator["scaler"].transform(sequence)
            for target, model in enumerate(self.estimator["models"]):
                if model is not None:
                    scores[row, target] = self.log_likelihood(model, scaled)
        return scores

    def _sequences(self, utterances: Utterances) -> list[np.ndarray]:
        """(frames, D) float64 of each utterance."""
        found = []
        for id in utterances.ids:
            arrays = list(utterances.load(id, self.definition.dims, frames=True).values())
            frames = min(map(len, arrays))
            found.append(np.concatenate([array[:frames] for array in arrays], axis=1).astype(np.float64))
        return found

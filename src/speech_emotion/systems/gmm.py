"""Gaussian mixture models over frames, one for each class; a baseline in the papers' reviews of earlier work.

Reynolds and Rose 1995, "Robust text-independent speaker identification using Gaussian mixture speaker models".
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from sklearn.mixture import GaussianMixture

from speech_emotion.errors import UserError
from speech_emotion.params import Section
from speech_emotion.systems.base import TestParams
from speech_emotion.systems.generative import GenerativeSystem


class Recogniser(GenerativeSystem):
    ARCHITECTURE = "gmm"
    VERSION = 1
    PAPER = "cnn-lstm-ensemble-ravdess"

    class Params(Section):
        """Hyper-parameters.

        Attributes:
            components: number of components of each class's mixture.
            covariance: diagonal or full covariance matrices.
            floor: added to each variance; frames are standardised.
        """

        components: Annotated[int, Field(ge=1, le=512)]
        covariance: Literal["diag", "full"] = "diag"
        floor: Annotated[float, Field(gt=0, le=1)] = 1e-3

    def learn_class(self, sequences: Sequence[np.ndarray], seed: int) -> GaussianMixture:
        p, frames = self.params, np.concatenate(sequences)
        if len(frames) < p.components:
            raise UserError(
                f"systems.{self.name}.components = {p.components}: must be at most {len(frames)}, the frames of a class"
            )
        mixture = GaussianMixture(
            p.components, covariance_type=p.covariance, reg_covar=p.floor, max_iter=200, random_state=seed
        )
        return mixture.fit(frames)

    def log_likelihood(self, model: GaussianMixture, sequence: np.ndarray) -> float:
        return float(model.score(sequence))

    def parameter_count(self) -> int:
        models = [model for model in self.estimator["models"] if model is not None]
        return sum(model.weights_.size + model.means_.size + model.covariances_.size for model in models)

    @classmethod
    def search_space(cls, trial: Any) -> dict[str, Any]:
        return {
            "components": trial.suggest_categorical("components", [4, 8, 16, 32]),
            "floor": trial.suggest_float("floor", 1e-4, 1e-1, log=True),
        }

    @classmethod
    def test_params(cls) -> TestParams:
        return TestParams({"components": 2}, features=("mfcc", "energy"))

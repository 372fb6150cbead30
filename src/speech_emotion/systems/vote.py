"""Ensemble of saved predictions: majority vote or mean of probabilities (cnn-lstm-ensemble-ravdess)."""

from typing import Literal

import numpy as np

from speech_emotion.params import Section
from speech_emotion.systems.base import TestParams
from speech_emotion.systems.combination import CombinationSystem


class Recogniser(CombinationSystem):
    ARCHITECTURE = "vote"
    VERSION = 1
    PAPER = "cnn-lstm-ensemble-ravdess"

    class Params(Section):
        """Hyper-parameters.

        Attributes:
            rule: majority: the emotion that most members predict; a tie goes to the larger sum of probabilities.
                mean: the mean of the members' probabilities.
        """

        rule: Literal["majority", "mean"]

    def combine(self, members: np.ndarray) -> np.ndarray:
        sums = members.sum(axis=0)
        if self.params.rule == "mean":
            return sums / sums.sum(axis=1, keepdims=True)
        votes = np.eye(self.classes)[members.argmax(axis=2)].sum(axis=0)
        merits = votes + sums / (len(members) + 1)  # the sums are below one vote
        return merits / merits.sum(axis=1, keepdims=True)

    @classmethod
    def test_params(cls) -> TestParams:
        return TestParams({"rule": "majority"}, features=(), members=3)

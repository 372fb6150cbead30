"""Recurrent layers over windows of 25 frames: K1, K2 and K3 (kth-rnn-emodb, section 2.3)."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from speech_emotion.layers.normalisation import Affine, Statistics
from speech_emotion.learning.network import Network
from speech_emotion.learning.optimisers import Criterion
from speech_emotion.learning.options import NetworkParams
from speech_emotion.params import Positive
from speech_emotion.systems.base import TestParams
from speech_emotion.systems.network import NetworkSystem


class WindowRNN(Network):
    """Frames (B, 25, D) -> recurrent layers -> last state -> dense layer; dropout on the input and between layers.

    The last state of the backward direction is the one after the first frame.

    Args:
        feature: name of the input.
        dims: its number of dimensions, D.
        cell: kind of the recurrent layers.
        units: units of each layer, in each direction.
        layers: number of recurrent layers.
        classes: number of outputs.
        dropout: on the input, between layers and before the dense layer.
        l2: weight of the L2 penalty on the dense layer's weights.
    """

    def __init__(
        self,
        feature: str,
        dims: int,
        cell: Literal["rnn", "lstm", "bilstm"],
        units: int,
        layers: int,
        classes: int,
        dropout: float,
        l2: float,
    ):
        super().__init__()
        self.feature, self.units, self.l2 = feature, units, l2
        self.both = cell == "bilstm"
        self.normalise = Affine(dims)
        self.dropout = nn.Dropout(dropout)
        kind = nn.RNN if cell == "rnn" else nn.LSTM
        between = dropout if layers > 1 else 0.0
        self.recurrent = kind(
            dims, units, num_layers=layers, batch_first=True, dropout=between, bidirectional=self.both
        )
        self.dense = nn.Linear(2 * units if self.both else units, classes)

    def fit_normalisation(self, statistics: Mapping[str, Statistics]) -> None:
        self.normalise.standardise(statistics[self.feature])

    def loss(self, *inputs: object, targets: Tensor, criterion: Criterion = nn.functional.cross_entropy) -> Tensor:
        """The criterion plus the L2 penalty on the dense layer's weights."""
        return super().loss(*inputs, targets=targets, criterion=criterion) + self.l2 * self.dense.weight.square().sum()

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        sequence, _ = self.recurrent(self.dropout(self.normalise(features[self.feature])))  # (B, 25, units)
        last = sequence[:, -1]
        if self.both:
            last = torch.cat([last[:, : self.units], sequence[:, 0, self.units :]], dim=1)
        return self.dense(self.dropout(last))


class Recogniser(NetworkSystem):
    ARCHITECTURE = "windowed-rnn"
    VERSION = 1
    PAPER = "kth-rnn-emodb"
    TRAINING_WINDOWS = "all"

    class Params(NetworkParams):
        cell: Literal["rnn", "lstm", "bilstm"] = "lstm"
        dropout: Annotated[float, Field(ge=0, lt=1)]
        l2: Annotated[float, Field(ge=0, le=1)]  # on the dense layer's weights
        units: Positive  # of each direction
        layers: Positive
        window_frames: Positive
        hop_frames: Positive

    def build(self) -> WindowRNN:
        (feature,) = self.definition.features
        p = self.params
        return WindowRNN(
            feature, self.definition.dims[feature], p.cell, p.units, p.layers, self.classes, p.dropout, p.l2
        )

    @classmethod
    def search_space(cls, trial: Any) -> dict[str, Any]:
        return {
            "learning_rate": trial.suggest_float("learning_rate", 1e-4, 5e-3, log=True),
            "dropout": trial.suggest_float("dropout", 0.0, 0.6),
            "l2": trial.suggest_float("l2", 1e-6, 1e-2, log=True),
            "units": trial.suggest_categorical("units", [64, 128, 192]),
        }

    @classmethod
    def test_params(cls) -> TestParams:
        small = {"epochs": 10, "batch_size": 32, "learning_rate": 1e-2, "dropout": 0.2, "l2": 1e-4}
        size = {"units": 16, "layers": 2, "window_frames": 25, "hop_frames": 3}
        return TestParams({**small, **size}, features=("mspec",), epochs=4)

"""K2: two LSTM layers over windows of 25 frames (kth-rnn-emodb, section 2.3)."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field
from torch import Tensor, nn

from speech_emotion.params import Positive, Section
from speech_emotion.systems.network import Affine, Network, NetworkSystem, Statistics


class WindowLSTM(Network):
    """Frames (B, 25, D) -> LSTM layers -> the last state -> dense; dropout on the input and between layers."""

    def __init__(self, feature: str, dims: int, units: int, layers: int, classes: int, dropout: float, l2: float):
        super().__init__()
        self.feature, self.l2 = feature, l2
        self.normalise = Affine(dims)
        self.dropout = nn.Dropout(dropout)
        self.lstm = nn.LSTM(dims, units, num_layers=layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.dense = nn.Linear(units, classes)

    def fit_normalisation(self, statistics: Mapping[str, Statistics]) -> None:
        self.normalise.standardise(statistics[self.feature])

    def loss(self, features: Mapping[str, Tensor], targets: Tensor) -> Tensor:
        return super().loss(features, targets) + self.l2 * self.dense.weight.square().sum()

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        sequence, _ = self.lstm(self.dropout(self.normalise(features[self.feature])))  # (B, 25, units)
        return self.dense(self.dropout(sequence[:, -1]))


class Recogniser(NetworkSystem):
    TITLE = "K2 LSTM over 250 ms windows"
    PAPER = "kth-rnn-emodb"
    TRAINING_WINDOWS = "all"

    class Params(Section):
        epochs: Positive
        batch_size: Positive
        learning_rate: Annotated[float, Field(gt=0, le=1)]
        dropout: Annotated[float, Field(ge=0, lt=1)]
        l2: Annotated[float, Field(ge=0, le=1)]  # on the dense layer's weights
        units: Positive
        layers: Positive
        window_frames: Positive
        hop_frames: Positive

    def build(self) -> WindowLSTM:
        (feature,) = self.definition.features
        p = self.params
        dims, classes = self.definition.dims[feature], len(self.definition.labels)
        return WindowLSTM(feature, dims, p.units, p.layers, classes, p.dropout, p.l2)

    @classmethod
    def search_space(cls, trial: Any) -> dict[str, Any]:
        return {
            "learning_rate": trial.suggest_float("learning_rate", 1e-4, 5e-3, log=True),
            "dropout": trial.suggest_float("dropout", 0.0, 0.6),
            "l2": trial.suggest_float("l2", 1e-6, 1e-2, log=True),
            "units": trial.suggest_categorical("units", [64, 128, 192]),
        }

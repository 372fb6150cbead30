"""T1: CNN -> LSTM -> attention over time (cnn-lstm-attention, section 3.3); the paper states no sizes.

Its deployable form takes mel-spectrogram, MFCC and energy. The paper's full prosody is had by adding `f0` and `voicing`
to needs.t1.features; the system then says that it cannot go to the device.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from speech_emotion.features.frontend import deltas
from speech_emotion.params import Positive, Section
from speech_emotion.systems.network import Affine, Network, NetworkSystem, Statistics

POOLED = 4  # frames that become one step of the LSTM
REACHES = (1, 2)  # of the first and the second derivative


class CnnLstmAttention(Network):
    """The first feature is an image for 2-D convolutions, the others go through 1-D ones; both make L / 4 steps.

    The image has three channels: the feature and its two derivatives within the window. The others are contours: each
    has its mean over the window taken off, so that they carry movement and neither level nor the recording's colour.
    Attention is additive over the LSTM's outputs h_t: a = softmax_t(v . tanh(W h_t)), the utterance's vector is
    sum_t a_t h_t (Bahdanau et al. 2015, eq. 6, without a query).
    """

    def __init__(self, dims: Mapping[str, int], channels: int, units: int, classes: int, dropout: float):
        super().__init__()
        self.image, *self.contours = dims
        self.normalise = nn.ModuleDict({name: Affine(size) for name, size in dims.items()})
        self.spectral = nn.Sequential(
            nn.BatchNorm2d(1 + len(REACHES)),  # derivatives are smaller than what they are taken of
            *_block(1 + len(REACHES), channels, 5, (2, 2)),
            *_block(channels, 2 * channels, 3, (2, 2)),
            *_block(2 * channels, 3 * channels, 3, (1, 2)),
        )
        steps = 3 * channels * (dims[self.image] // 8)
        self.project = nn.Sequential(nn.Linear(steps, 2 * units), nn.ReLU(), nn.Dropout(dropout))
        sizes = sum(dims[name] for name in self.contours)
        self.prosodic = nn.Sequential(
            nn.Conv2d(sizes, 2 * channels, (2 * POOLED - 1, 1), stride=(POOLED, 1), padding=(POOLED - 1, 0)),
            nn.BatchNorm2d(2 * channels),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.lstm = nn.LSTM(2 * units + 2 * channels, units, batch_first=True, bidirectional=True)
        self.score = nn.Sequential(nn.Linear(2 * units, units), nn.Tanh(), nn.Linear(units, 1, bias=False))
        self.dense = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(2 * units, units), nn.ReLU(), nn.Dropout(dropout), nn.Linear(units, classes)
        )

    def fit_normalisation(self, statistics: Mapping[str, Statistics]) -> None:
        for name, normalise in self.normalise.items():
            normalise.standardise(statistics[name])

    def encode(self, features: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Outputs of the LSTM (B, L/4, 2 units) and their attention (B, L/4), which sums to 1 over time."""
        image = [self.normalise[self.image](features[self.image])]
        for reach in REACHES:
            image.append(deltas(image[-1], reach))
        spectral = self.spectral(torch.stack(image, dim=1))  # (B, C, L/4, M/8)
        spectral = self.project(spectral.transpose(1, 2).flatten(2))  # (B, L/4, 2 units)
        contours = torch.cat([self.normalise[name](features[name]) for name in self.contours], dim=2)  # (B, L, sizes)
        contours = contours - contours.mean(dim=1, keepdim=True)
        prosodic = self.prosodic(contours.transpose(1, 2).unsqueeze(3)).squeeze(3)  # (B, 2 channels, L/4)
        outputs, _ = self.lstm(torch.cat([spectral, prosodic.transpose(1, 2)], dim=2))
        return outputs, torch.softmax(self.score(outputs).squeeze(2), dim=1)

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        outputs, attention = self.encode(features)
        return self.dense((attention.unsqueeze(1) @ outputs).squeeze(1))


def _block(inputs: int, outputs: int, size: int, stride: tuple[int, int]) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]


class Recogniser(NetworkSystem):
    TITLE = "T1 CNN-LSTM + attention"
    PAPER = "cnn-lstm-attention"
    TRAINING_WINDOWS = "all"

    class Params(Section):
        epochs: Positive
        batch_size: Positive
        learning_rate: Annotated[float, Field(gt=0, le=1)]
        dropout: Annotated[float, Field(ge=0, lt=1)]
        average: Annotated[float, Field(ge=0, lt=1)]  # decay of the weights' moving average
        channels: Annotated[int, Field(ge=4, le=256)]
        units: Annotated[int, Field(ge=4, le=1024)]
        window_frames: Annotated[int, Field(ge=POOLED, multiple_of=POOLED)]
        hop_frames: Positive

    def build(self) -> CnnLstmAttention:
        p = self.params
        return CnnLstmAttention(self.definition.dims, p.channels, p.units, len(self.definition.labels), p.dropout)

    @classmethod
    def search_space(cls, trial: Any) -> dict[str, Any]:
        return {
            "learning_rate": trial.suggest_float("learning_rate", 2e-4, 3e-3, log=True),
            "dropout": trial.suggest_float("dropout", 0.1, 0.6),
            "channels": trial.suggest_categorical("channels", [8, 16, 24]),
            "units": trial.suggest_categorical("units", [32, 64, 96]),
        }

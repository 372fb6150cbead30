"""T1: CNN -> LSTM -> attention over time (cnn-lstm-attention, section 3.3); the paper gives no sizes.

The deployable version uses log-mel spectrograms, MFCC and energy. For the paper's full prosody add `f0` and `voicing`
to needs.t1.features; the system then reports that it cannot run on the device.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from speech_emotion.errors import UserError
from speech_emotion.features.frontend import deltas
from speech_emotion.layers.convolution import convolution_block
from speech_emotion.layers.normalisation import Affine, Statistics, about_mean
from speech_emotion.layers.pooling import AttentionPooling
from speech_emotion.learning.network import Network
from speech_emotion.learning.optimisers import Criterion
from speech_emotion.learning.options import NetworkParams
from speech_emotion.params import Positive
from speech_emotion.systems.base import TestParams
from speech_emotion.systems.network import NetworkSystem

POOLED = 4  # frames that become one step of the LSTM
REACHES = (1, 2)  # frames on each side, for the first and the second derivative


class Stream(nn.Module):
    """2-D convolutions over one image and 1-D convolutions over the contours; both give the L / 4 steps of an LSTM.

    The image has three channels: the feature and its two derivatives within the window.
    Attention over the LSTM's outputs gives one vector (layers/pooling.py).

    Args:
        bands: bands of the image, M.
        contours: dimensions of all contours together.
        channels: channels of the first convolution.
        units: units of the LSTM in each direction, and of the attention and dense layers.
        classes: number of outputs.
        dropout: before and between the dense layers, and after the convolutions.
    """

    def __init__(self, bands: int, contours: int, channels: int, units: int, classes: int, dropout: float):
        super().__init__()
        self.spectral = nn.Sequential(
            nn.BatchNorm2d(1 + len(REACHES)),  # derivatives have a smaller range than the feature
            *convolution_block(1 + len(REACHES), channels, 5, (2, 2), nn.BatchNorm2d(channels)),
            *convolution_block(channels, 2 * channels, 3, (2, 2), nn.BatchNorm2d(2 * channels)),
            *convolution_block(2 * channels, 3 * channels, 3, (1, 2), nn.BatchNorm2d(3 * channels)),
        )
        self.project = nn.Sequential(nn.Linear(3 * channels * (bands // 8), 2 * units), nn.ReLU(), nn.Dropout(dropout))
        self.prosodic = nn.Sequential(
            nn.Conv2d(contours, 2 * channels, (2 * POOLED - 1, 1), stride=(POOLED, 1), padding=(POOLED - 1, 0)),
            nn.BatchNorm2d(2 * channels),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.lstm = nn.LSTM(2 * units + 2 * channels, units, batch_first=True, bidirectional=True)
        self.score = AttentionPooling(2 * units, units)
        self.dense = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(2 * units, units), nn.ReLU(), nn.Dropout(dropout), nn.Linear(units, classes)
        )

    def forward(self, image: Tensor, contours: Tensor) -> tuple[Tensor, Tensor]:
        """(B, L, M) and (B, L, contours) -> logits (B, classes) and attention (B, L/4), which sums to 1 over time."""
        channels = [image]
        for reach in REACHES:
            channels.append(deltas(channels[-1], reach))
        spectral = self.spectral(torch.stack(channels, dim=1))  # (B, C, L/4, M/8)
        spectral = self.project(spectral.transpose(1, 2).flatten(2))  # (B, L/4, 2 units)
        prosodic = self.prosodic(contours.transpose(1, 2).unsqueeze(3)).squeeze(3)  # (B, 2 channels, L/4)
        outputs, _ = self.lstm(torch.cat([spectral, prosodic.transpose(1, 2)], dim=2))  # (B, L/4, 2 units)
        vector, attention = self.score(outputs)
        return self.dense(vector), attention


class CnnLstmAttention(Network):
    """One stream for each image, all with the same contours; each has a loss of its own, and their logits are averaged.

    Every feature gets mean normalisation over the window, which leaves only changes over time. The images in
    `keep_mean` do not: they keep the level and spectral tilt of the voice and the microphone. The two kinds of stream
    make errors on different utterances.

    Args:
        images: features that have a stream each.
        keep_mean: images without mean normalisation.
        dims: feature -> number of dimensions; those that are not images are contours.
        channels: as for Stream.
        units: as for Stream.
        classes: number of outputs.
        dropout: as for Stream.
    """

    def __init__(
        self,
        images: Sequence[str],
        keep_mean: Sequence[str],
        dims: Mapping[str, int],
        channels: int,
        units: int,
        classes: int,
        dropout: float,
    ):
        super().__init__()
        self.images, self.keep_mean = list(images), list(keep_mean)
        self.contours = [name for name in dims if name not in images]
        self.normalise = nn.ModuleDict({name: Affine(size) for name, size in dims.items()})
        sizes = sum(dims[name] for name in self.contours)
        self.streams = nn.ModuleList(
            Stream(dims[name], sizes, channels, units, classes, dropout) for name in self.images
        )

    def fit_normalisation(self, statistics: Mapping[str, Statistics]) -> None:
        for name, normalise in self.normalise.items():
            normalise.standardise(statistics[name])

    def encode(self, features: Mapping[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Logits (B, classes) and attention (B, L/4) of each stream."""
        features = {name: normalise(features[name]) for name, normalise in self.normalise.items()}
        features |= {name: about_mean(feature) for name, feature in features.items() if name not in self.keep_mean}
        contours = torch.cat([features[name] for name in self.contours], dim=2)  # (B, L, sizes)
        return [stream(features[name], contours) for name, stream in zip(self.images, self.streams, strict=True)]

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        return torch.stack([logits for logits, _ in self.encode(features)]).mean(dim=0)

    def loss(self, *inputs: object, targets: Tensor, criterion: Criterion = nn.functional.cross_entropy) -> Tensor:
        """The mean of the streams' losses."""
        losses = [criterion(logits, targets) for logits, _ in self.encode(*inputs)]
        return torch.stack(losses).mean()


class Recogniser(NetworkSystem):
    ARCHITECTURE = "cnn-lstm-attention"
    VERSION = 1
    PAPER = "cnn-lstm-attention"
    TRAINING_WINDOWS = "all"

    class Params(NetworkParams):
        dropout: Annotated[float, Field(ge=0, lt=1)]
        keep_mean: tuple[str, ...] = ()  # images without mean normalisation over the window
        channels: Annotated[int, Field(ge=4, le=256)]
        units: Annotated[int, Field(ge=4, le=1024)]
        window_frames: Annotated[int, Field(ge=POOLED, multiple_of=POOLED)]
        hop_frames: Positive

    def build(self) -> CnnLstmAttention:
        p = self.params
        images = [name for name, feature in self.definition.features.items() if feature.kind == "mspec"]
        if unknown := sorted(set(p.keep_mean) - set(images)):
            raise UserError(
                f"systems.{self.name}.keep_mean: {unknown[0]}: must be a feature of kind mspec among "
                f"needs.{self.name}.features"
            )
        return CnnLstmAttention(images, p.keep_mean, self.definition.dims, p.channels, p.units, self.classes, p.dropout)

    @classmethod
    def search_space(cls, trial: Any) -> dict[str, Any]:
        return {
            "learning_rate": trial.suggest_float("learning_rate", 2e-4, 3e-3, log=True),
            "dropout": trial.suggest_float("dropout", 0.1, 0.6),
            "channels": trial.suggest_categorical("channels", [8, 16, 24]),
            "units": trial.suggest_categorical("units", [32, 64, 96]),
        }

    @classmethod
    def test_params(cls) -> TestParams:
        small = {"epochs": 40, "batch_size": 8, "learning_rate": 3e-3, "dropout": 0.3, "ema_decay": 0.5}
        size = {"channels": 4, "units": 8, "window_frames": 32, "hop_frames": 16}
        return TestParams({**small, **size}, features=("mspec", "mspec", "mfcc", "energy"), epochs=12)

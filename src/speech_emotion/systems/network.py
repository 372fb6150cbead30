"""Systems that are torch networks over windows of frames, and their form for the device."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from speech_emotion.features.frontend import FrontEnd, sample_count
from speech_emotion.systems.base import Definition, System

WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Statistics:
    """Of one feature over the frames of the training utterances; every array has shape (D,)."""

    mean: np.ndarray
    std: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Affine(nn.Module):
    """(x - shift) * scale per dimension, with constants from training utterances; standardises or scales to [0, 1]."""

    def __init__(self, dims: int):
        super().__init__()
        self.register_buffer("shift", torch.zeros(dims))
        self.register_buffer("scale", torch.ones(dims))

    def standardise(self, statistics: Statistics) -> None:
        """Zero mean and unit variance over the training frames; a constant dimension becomes 0."""
        self._set(statistics.mean, statistics.std)

    def min_max(self, statistics: Statistics) -> None:
        """The training frames' range becomes [0, 1]."""
        self._set(statistics.low, statistics.high - statistics.low)

    def _set(self, shift: np.ndarray, width: np.ndarray) -> None:
        scale = np.where(width > 1e-6, 1.0 / np.maximum(width, 1e-6), 0.0)
        self.shift.copy_(torch.as_tensor(shift, dtype=torch.float32))
        self.scale.copy_(torch.as_tensor(scale, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.shift) * self.scale


def about_mean(feature: Tensor) -> Tensor:
    """(B, L, D) less its mean over L: takes off level and the colour of voice and microphone.

    Of log spectra and cepstra this is cepstral mean normalisation (Atal 1974) over one window.
    """
    return feature - feature.mean(dim=1, keepdim=True)


class Network(nn.Module):
    """A module over the features of one window: {name: (B, L, D)} -> logits (B, classes)."""

    def fit_normalisation(self, statistics: Mapping[str, Statistics]) -> None:
        """Takes the constants of normalisation from training utterances, before the first epoch."""
        raise NotImplementedError

    def loss(self, features: Mapping[str, Tensor], targets: Tensor) -> Tensor:
        """What training lowers: cross-entropy of the targets (B,), and whatever a system adds."""
        return nn.functional.cross_entropy(self(features), targets)


class NetworkSystem(System):
    """A network trained on windows; an utterance's probabilities are the mean over its windows.

    `params` has at least epochs, batch_size, learning_rate, window_frames, hop_frames; and, if wanted, average: the
    decay a step of the moving average of the weights that is validated and kept (Polyak and Juditsky 1992); and
    validation_epochs: over how many epochs the validation UA is averaged, since that of one speaker is noisy.

    Class attributes:
        TRAINING_WINDOWS: "all" windows of an utterance and of each of its copies in each epoch, or "one" at random.
    """

    TRAINING_WINDOWS: ClassVar[Literal["all", "one"]]

    def __init__(self, definition: Definition):
        super().__init__(definition)
        self.network = self.build()

    @abstractmethod
    def build(self) -> Network:
        """A fresh network; torch's global seed decides its weights."""

    def optimiser(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.network.parameters(), lr=self.params.learning_rate)

    @property
    def average(self) -> float:
        """That decay; 0 keeps the weights themselves."""
        return getattr(self.params, "average", 0.0)

    @property
    def validation_epochs(self) -> int:
        """Over how many epochs the validation UA is averaged."""
        return getattr(self.params, "validation_epochs", 1)

    @property
    def window_samples(self) -> int:
        """Samples that one window spans."""
        feature = next(iter(self.definition.features.values()))
        return sample_count(self.params.window_frames, feature.frame, feature.hop)

    @property
    def hop_samples(self) -> int:
        """Samples between the starts of neighbouring windows."""
        return self.params.hop_frames * next(iter(self.definition.features.values())).hop

    def waveform_classifier(self) -> "WaveformClassifier":
        """The form for the device: samples of one window in, probabilities out."""
        return WaveformClassifier(self.definition, self.network, self.params.window_frames).eval()

    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.network.parameters())

    def save(self, folder: Path) -> None:
        safetensors.torch.save_file(self.network.state_dict(), folder / WEIGHTS)

    def restore(self, folder: Path) -> None:
        self.network.load_state_dict(safetensors.torch.load_file(folder / WEIGHTS))
        self.network.eval()


class WaveformClassifier(nn.Module):
    """Samples (B, N) of one window, in [-1, 1] at the definition's rate -> probabilities (B, classes)."""

    def __init__(self, definition: Definition, network: Network, frames: int):
        super().__init__()
        self.frames = frames
        self.front_ends = nn.ModuleDict(
            {name: FrontEnd(feature, definition.sample_rate) for name, feature in definition.features.items()}
        )
        self.network = network

    def forward(self, samples: Tensor) -> Tensor:
        # front-ends with a shorter frame have frames to spare at the end of the window
        features = {name: front_end(samples)[:, : self.frames] for name, front_end in self.front_ends.items()}
        return torch.softmax(self.network(features), dim=1)

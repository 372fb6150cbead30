"""Systems that are torch networks: over windows of frames, with their version for the device, or over utterances."""

from abc import abstractmethod
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from speech_emotion.errors import UserError
from speech_emotion.features.frontend import FrontEnd, sample_count
from speech_emotion.learning.loop import Fit, Limits, fit_network, predict_network
from speech_emotion.learning.network import Network
from speech_emotion.learning.optimisers import optimiser_of
from speech_emotion.learning.padded import Padded
from speech_emotion.learning.sequences import Sequences
from speech_emotion.learning.utterances import Utterances
from speech_emotion.learning.windows import Windows
from speech_emotion.recorder import OnEpoch
from speech_emotion.systems.base import Definition, System

WEIGHTS = "model.safetensors"
SPECTRAL = ("spectrogram", "mspec")  # kinds whose dimensions are bands


class TrainedNetwork(System):
    """A network that the training loop trains. Its Params inherits learning.options.NetworkParams."""

    BY_EPOCH = True
    USES_GPU = True
    ASKS_MEMBERS_FOR = ("train",)  # teachers

    def __init__(self, definition: Definition):
        super().__init__(definition)
        self.network = self.build()

    @abstractmethod
    def build(self) -> Network:
        """A new, untrained network; torch's global seed decides its initial weights."""

    @abstractmethod
    def sequences(self, utterances: Utterances) -> Sequences:
        """The utterances as windows or as whole utterances, as this family of networks needs them."""

    @property
    def spectral(self) -> list[str]:
        """Names of the features whose dimensions are frequency bands."""
        return [name for name, feature in self.definition.features.items() if feature.kind in SPECTRAL]

    def optimiser(self) -> torch.optim.Optimizer:
        return optimiser_of(self.network, self.params)

    def fit(
        self,
        train: Utterances,
        valid: Utterances | None,
        seed: int,
        limits: Limits,
        on_epoch: OnEpoch = lambda epoch, values: None,
    ) -> Fit:
        teachers = self.definition.config.builds_on
        if bool(teachers) != bool(self.params.distillation):
            raise UserError(
                f"systems.{self.name}.distillation = {self.params.distillation:g}, builds_on = {list(teachers)}: a "
                "student needs both, other networks neither"
            )
        for teacher in teachers:
            train.of_member(teacher, self.classes)
        judged = None if valid is None else self.sequences(valid)
        return fit_network(self, self.sequences(train), judged, seed, limits, on_epoch)

    def predict_proba(self, utterances: Utterances) -> np.ndarray:
        return predict_network(self.network, self.sequences(utterances))

    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.network.parameters())

    def save(self, folder: Path) -> None:
        safetensors.torch.save_file(self.network.state_dict(), folder / WEIGHTS)

    def restore(self, folder: Path) -> None:
        self.network.load_state_dict(safetensors.torch.load_file(folder / WEIGHTS))
        self.network.eval()


class NetworkSystem(TrainedNetwork):
    """A network over windows; an utterance's probabilities are the mean over its windows.

    Its Params also has window_frames and hop_frames.

    Class attributes:
        TRAINING_WINDOWS: what an epoch uses of each utterance and augmented copy: "all" windows, or "one" at random.
    """

    TRAINING_WINDOWS: ClassVar[Literal["all", "one"]]

    def sequences(self, utterances: Utterances) -> Windows:
        one, p = self.TRAINING_WINDOWS == "one", self.params
        return Windows(utterances, self.definition.dims, p.window_frames, p.hop_frames, one)

    @property
    def window_samples(self) -> int:
        """Number of samples in one window."""
        feature = next(iter(self.definition.features.values()))
        return sample_count(self.params.window_frames, feature.frame, feature.hop)

    @property
    def hop_samples(self) -> int:
        """Number of samples between the starts of neighbouring windows."""
        return self.params.hop_frames * next(iter(self.definition.features.values())).hop

    def waveform_classifier(self) -> "WaveformClassifier":
        """The version for the device: samples of one window in, probabilities out."""
        return WaveformClassifier(self.definition, self.network, self.params.window_frames).eval()


class UtteranceNetworkSystem(TrainedNetwork):
    """A network over whole utterances, in padded batches with their lengths.

    `build` returns a network whose forward takes (features, lengths). Its outputs must not depend on padding: mask
    blocks and pooling (layers/pooling.py), and do not normalise over the batch.
    """

    @property
    def not_deployable(self) -> str:
        return super().not_deployable or "the device works on windows, and the network needs whole utterances"

    def sequences(self, utterances: Utterances) -> Padded:
        return Padded(utterances, self.definition.dims)


class WaveformClassifier(nn.Module):
    """Samples (B, N) of one window, in [-1, 1] at the definition's rate -> probabilities (B, classes).

    Args:
        definition: the system's definition.
        network: its trained network.
        frames: frames of a window.
    """

    def __init__(self, definition: Definition, network: Network, frames: int):
        super().__init__()
        self.frames = frames
        self.front_ends = nn.ModuleDict(
            {name: FrontEnd(feature, definition.sample_rate) for name, feature in definition.features.items()}
        )
        self.network = network

    def forward(self, samples: Tensor) -> Tensor:
        # a front-end with a shorter frame has extra frames at the end of the window
        features = {name: front_end(samples)[:, : self.frames] for name, front_end in self.front_ends.items()}
        return torch.softmax(self.network(features), dim=1)

"""Systems that are torch networks: over windows of frames, with their form for the device, or over whole utterances."""

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
    """A network that the training loop fits. `Params` inherits learning.options.NetworkParams."""

    BY_EPOCH = True
    USES_GPU = True
    ASKS_MEMBERS_FOR = ("train",)  # teachers

    def __init__(self, definition: Definition):
        super().__init__(definition)
        self.network = self.build()

    @abstractmethod
    def build(self) -> Network:
        """A fresh network; torch's global seed decides its weights."""

    @abstractmethod
    def sequences(self, utterances: Utterances) -> Sequences:
        """The utterances as this family sees them."""

    @property
    def spectral(self) -> list[str]:
        """Features whose dimensions are bands."""
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

    `params` also has window_frames and hop_frames.

    Class attributes:
        TRAINING_WINDOWS: "all" windows of an utterance and of each of its copies in each epoch, or "one" at random.
    """

    TRAINING_WINDOWS: ClassVar[Literal["all", "one"]]

    def sequences(self, utterances: Utterances) -> Windows:
        one, p = self.TRAINING_WINDOWS == "one", self.params
        return Windows(utterances, self.definition.dims, p.window_frames, p.hop_frames, one)

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


class UtteranceNetworkSystem(TrainedNetwork):
    """A network over whole utterances, given in padded batches with their lengths.

    `build` gives a network whose forward takes (features, lengths); what it makes of an utterance must not depend on
    padding: blocks and pooling are masked (layers/pooling.py), and nothing is normalised over the batch.
    """

    @property
    def not_deployable(self) -> str:
        return super().not_deployable or "the device is given windows, and the network takes whole utterances"

    def sequences(self, utterances: Utterances) -> Padded:
        return Padded(utterances, self.definition.dims)


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

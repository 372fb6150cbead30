"""W1, CL: a CNN on the spectrogram beside an LSTM on MFCC (wang-cl-jetson, section 3)."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from speech_emotion.params import Positive, Section
from speech_emotion.systems.network import Affine, Network, NetworkSystem, Statistics

MIX_BETA = 0.3  # both parameters of the beta distribution of a mixture's weight: mostly near 0 or 1


class MixedMeans(nn.Module):
    """In training, a share of a batch's windows take on part of another's mean over time: of its voice and microphone.

    MixStyle (Zhou et al. 2021, eq. 4 to 6) on the features themselves and of the means alone, since in logarithmic
    spectra and cepstra level and colour of a recording add up. All features of a window are mixed alike.
    """

    def __init__(self, share: float):
        super().__init__()
        self.share = share

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """(B, L, D) each, and as many back."""
        if not self.training or self.share == 0:
            return list(features)
        batch = len(features[0])
        partners = torch.randperm(batch)
        weights = torch.distributions.Beta(MIX_BETA, MIX_BETA).sample((batch, 1, 1))
        weights = weights * (torch.rand(batch, 1, 1) < self.share)
        means = [feature.mean(dim=1, keepdim=True) for feature in features]
        return [feature + weights * (mean[partners] - mean) for feature, mean in zip(features, means, strict=True)]


class CL(Network):
    """Spectrogram (B, 128, 128) -> three convolutions; MFCC (B, 128, 13) -> two LSTM layers; fused by dense layers.

    Spectrogram and MFCC are scaled to [0, 1] by each dimension's range over the training frames (Min-Max normalisation,
    section 3.3). Each branch's output is normalised to zero mean and unit variance before it is concatenated. The
    mixed means of training are not the paper's.
    """

    def __init__(
        self,
        spectrogram: str,
        mfcc: str,
        dims: Mapping[str, int],
        frames: int,
        classes: int,
        dropout: float,
        mix: float,
        last: bool,
    ):
        super().__init__()
        self.spectrogram, self.mfcc, self.last = spectrogram, mfcc, last
        self.mixed = MixedMeans(mix)
        self.spectrogram_range = Affine(dims[spectrogram])
        self.mfcc_range = Affine(dims[mfcc])
        layers: list[nn.Module] = []
        for inputs, outputs in ((1, 32), (32, 64), (64, 64)):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        self.convolutions = nn.Sequential(*layers)
        self.lstm = nn.LSTM(dims[mfcc], 128, num_layers=2, batch_first=True, dropout=dropout)
        flat = 64 * (frames // 8) * (dims[spectrogram] // 8)
        sequence = 128 if last else 128 * frames
        self.norms = nn.ModuleList([nn.LayerNorm(flat), nn.LayerNorm(sequence)])
        self.dense = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(flat + sequence, 128),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(128, 64),
            nn.ReLU(),
            nn.Linear(64, classes),
        )

    def fit_normalisation(self, statistics: Mapping[str, Statistics]) -> None:
        self.spectrogram_range.min_max(statistics[self.spectrogram])
        self.mfcc_range.min_max(statistics[self.mfcc])

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        spectrogram, mfcc = self.mixed([features[self.spectrogram], features[self.mfcc]])
        image = self.spectrogram_range(spectrogram).unsqueeze(1)  # (B, 1, L, 128)
        spatial = self.convolutions(image).flatten(1)  # (B, 64 * L/8 * 16)
        sequence, _ = self.lstm(self.mfcc_range(mfcc))  # (B, L, 128)
        temporal = sequence[:, -1] if self.last else sequence.flatten(1)
        return self.dense(torch.cat([self.norms[0](spatial), self.norms[1](temporal)], dim=1))


class Recogniser(NetworkSystem):
    TITLE = "W1 CL: CNN + LSTM in parallel"
    PAPER = "wang-cl-jetson"
    TRAINING_WINDOWS = "one"

    class Params(Section):
        epochs: Positive
        batch_size: Positive
        learning_rate: Annotated[float, Field(gt=0, le=1)]
        dropout: Annotated[float, Field(ge=0, lt=1)]
        mix: Annotated[float, Field(ge=0, le=1)]  # share of a training batch's windows with a mixed mean
        average: Annotated[float, Field(ge=0, lt=1)]  # decay of the weights' moving average
        validation_epochs: Positive  # over which the validation UA is averaged
        lstm_output: Literal[
            "last", "sequence"
        ]  # the paper flattens; its whole sequence or its last state is not stated
        window_frames: Annotated[int, Field(ge=8, multiple_of=8)]
        hop_frames: Positive

    def build(self) -> CL:
        spectrogram, mfcc = self.definition.features
        return CL(
            spectrogram,
            mfcc,
            self.definition.dims,
            self.params.window_frames,
            len(self.definition.labels),
            self.params.dropout,
            self.params.mix,
            self.params.lstm_output == "last",
        )

    @classmethod
    def search_space(cls, trial: Any) -> dict[str, Any]:
        return {
            "learning_rate": trial.suggest_float("learning_rate", 3e-5, 1e-3, log=True),
            "dropout": trial.suggest_float("dropout", 0.0, 0.6),
            "lstm_output": trial.suggest_categorical("lstm_output", ["last", "sequence"]),
        }

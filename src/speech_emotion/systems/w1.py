"""W1, CL: a CNN on the spectrogram beside an LSTM on MFCC (wang-cl-jetson, section 3)."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from speech_emotion.errors import UserError
from speech_emotion.params import Positive, Section
from speech_emotion.systems.network import Affine, Network, NetworkSystem, Statistics, about_mean


class CL(Network):
    """Spectrogram (B, 128, 128) -> three convolutions; MFCC (B, 128, 13) -> two LSTM layers; fused by dense layers.

    Spectrogram and MFCC are scaled to [0, 1] by each dimension's range over the training frames (Min-Max normalisation,
    section 3.3). Those that are not in `keep_mean` then have their mean over the window taken off, which the paper does
    not: speakers and microphones that training has not heard differ in it. Each branch's output is normalised to zero
    mean and unit variance before it is concatenated.
    """

    def __init__(
        self,
        spectrogram: str,
        mfcc: str,
        keep_mean: Sequence[str],
        dims: Mapping[str, int],
        frames: int,
        classes: int,
        dropout: float,
        last: bool,
    ):
        super().__init__()
        self.spectrogram, self.mfcc, self.keep_mean, self.last = spectrogram, mfcc, list(keep_mean), last
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
        image = self._centred(self.spectrogram, self.spectrogram_range(features[self.spectrogram]))  # (B, L, 128)
        image = image.unsqueeze(3).movedim(3, 1)  # (B, 1, L, 128), channels last in memory: CPUs convolve them faster
        spatial = self.convolutions(image).flatten(1)  # (B, 64 * L/8 * 16)
        sequence, _ = self.lstm(self._centred(self.mfcc, self.mfcc_range(features[self.mfcc])))  # (B, L, 128)
        temporal = sequence[:, -1] if self.last else sequence.flatten(1)
        return self.dense(torch.cat([self.norms[0](spatial), self.norms[1](temporal)], dim=1))

    def _centred(self, name: str, feature: Tensor) -> Tensor:
        return feature if name in self.keep_mean else about_mean(feature)


class Recogniser(NetworkSystem):
    TITLE = "W1 CL: CNN + LSTM in parallel"
    PAPER = "wang-cl-jetson"
    TRAINING_WINDOWS = "one"

    class Params(Section):
        epochs: Positive
        batch_size: Positive
        learning_rate: Annotated[float, Field(gt=0, le=1)]
        dropout: Annotated[float, Field(ge=0, lt=1)]
        average: Annotated[float, Field(ge=0, lt=1)]  # decay of the weights' moving average
        validation_epochs: Positive  # over which the validation UA is averaged
        keep_mean: tuple[str, ...]  # features whose mean over the window is not taken off
        lstm_output: Literal[
            "last", "sequence"
        ]  # the paper flattens; its whole sequence or its last state is not stated
        window_frames: Annotated[int, Field(ge=8, multiple_of=8)]
        hop_frames: Positive

    def build(self) -> CL:
        spectrogram, mfcc = self.definition.features
        if unknown := sorted(set(self.params.keep_mean) - set(self.definition.features)):
            raise UserError(f"systems.w1.keep_mean: {unknown[0]}: must be among needs.w1.features")
        return CL(
            spectrogram,
            mfcc,
            self.params.keep_mean,
            self.definition.dims,
            self.params.window_frames,
            len(self.definition.labels),
            self.params.dropout,
            self.params.lstm_output == "last",
        )

    @classmethod
    def search_space(cls, trial: Any) -> dict[str, Any]:
        return {
            "learning_rate": trial.suggest_float("learning_rate", 3e-5, 1e-3, log=True),
            "dropout": trial.suggest_float("dropout", 0.0, 0.6),
            "lstm_output": trial.suggest_categorical("lstm_output", ["last", "sequence"]),
        }

"""W1, CL: a CNN on the spectrogram beside an LSTM on MFCC (wang-cl-jetson, section 3)."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from speech_emotion.errors import UserError
from speech_emotion.params import Positive, Section
from speech_emotion.systems.network import Affine, Network, NetworkSystem, Statistics

GAIN_TERMS = 4  # cosines over the bands that make a random gain: level, tilt and two finer ones


class RandomGain(nn.Module):
    """In training, every window (B, L, D) gets a random smooth gain over its bands, as of another voice or microphone.

    The gain's logarithm is a sum of cosines, each with a coefficient from a normal distribution. Added to a logarithmic
    spectrum by its cosines, or to its cepstrum, whose first coefficients they are.

    Args:
        cosines: (terms, D), what each coefficient, of one nat of power, adds to the dimensions.
        db: standard deviation of a coefficient, in dB of power; 0 adds nothing.
    """

    def __init__(self, cosines: Tensor, db: float):
        super().__init__()
        self.nats = db * math.log(10) / 10
        self.register_buffer("cosines", cosines, persistent=False)

    def forward(self, feature: Tensor) -> Tensor:
        if not self.training or self.nats == 0:
            return feature
        coefficients = self.nats * torch.randn(len(feature), len(self.cosines))  # (B, terms)
        return feature + (coefficients @ self.cosines).unsqueeze(1)

    @classmethod
    def of_spectrum(cls, bands: int, db: float) -> "RandomGain":
        """For the logarithm of a power spectrum in `bands` bands."""
        orders, places = torch.arange(GAIN_TERMS), (torch.arange(bands) + 0.5) / bands
        return cls(torch.cos(math.pi * orders[:, None] * places), db)

    @classmethod
    def of_cepstrum(cls, coefficients: int, bands: int, db: float) -> "RandomGain":
        """For the orthonormal DCT-II of such a spectrum: a cosine over its bands is one of the coefficients."""
        cosines = math.sqrt(bands / 2) * torch.eye(GAIN_TERMS, coefficients)
        cosines[0] *= math.sqrt(2)
        return cls(cosines, db)


class CL(Network):
    """Spectrogram (B, 128, 128) -> three convolutions; MFCC (B, 128, 13) -> two LSTM layers; fused by dense layers.

    Spectrogram and MFCC are scaled to [0, 1] by each dimension's range over the training frames (Min-Max normalisation,
    section 3.3). Each branch's output is normalised to zero mean and unit variance before it is concatenated. The
    random gain of training is not the paper's.
    """

    def __init__(
        self,
        spectrogram: str,
        mfcc: str,
        dims: Mapping[str, int],
        mels: int,
        frames: int,
        classes: int,
        dropout: float,
        gain_db: float,
        last: bool,
    ):
        super().__init__()
        self.spectrogram, self.mfcc, self.last = spectrogram, mfcc, last
        self.spectrogram_gain = RandomGain.of_spectrum(dims[spectrogram], gain_db)
        self.mfcc_gain = RandomGain.of_cepstrum(dims[mfcc], mels, gain_db)
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
        image = self.spectrogram_range(self.spectrogram_gain(features[self.spectrogram])).unsqueeze(1)  # (B, 1, L, 128)
        spatial = self.convolutions(image).flatten(1)  # (B, 64 * L/8 * 16)
        sequence, _ = self.lstm(self.mfcc_range(self.mfcc_gain(features[self.mfcc])))  # (B, L, 128)
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
        gain_db: Annotated[float, Field(ge=0, le=20)]  # of the random gain in training; 0 leaves it out
        average: Annotated[float, Field(ge=0, lt=1)]  # decay of the weights' moving average
        validation_epochs: Positive  # over which the validation UA is averaged
        lstm_output: Literal[
            "last", "sequence"
        ]  # the paper flattens; its whole sequence or its last state is not stated
        window_frames: Annotated[int, Field(ge=8, multiple_of=8)]
        hop_frames: Positive

    def build(self) -> CL:
        spectrogram, mfcc = self.definition.features
        if self.params.gain_db > 0 and not self.definition.features[spectrogram].log:
            raise UserError(
                f"systems.w1.gain_db = {self.params.gain_db:g}: needs features.{spectrogram}.log: true, or 0"
            )
        return CL(
            spectrogram,
            mfcc,
            self.definition.dims,
            self.definition.features[mfcc].n_mels,
            self.params.window_frames,
            len(self.definition.labels),
            self.params.dropout,
            self.params.gain_db,
            self.params.lstm_output == "last",
        )

    @classmethod
    def search_space(cls, trial: Any) -> dict[str, Any]:
        return {
            "learning_rate": trial.suggest_float("learning_rate", 3e-5, 1e-3, log=True),
            "dropout": trial.suggest_float("dropout", 0.0, 0.6),
            "lstm_output": trial.suggest_categorical("lstm_output", ["last", "sequence"]),
        }

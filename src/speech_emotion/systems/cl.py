"""CL: a CNN and an LSTM in parallel, or one of them: W1-W4, W6 and W7 (wang-cl-jetson, section 3).

With two features, the first is the CNN's input and the second the LSTM's; a single feature is the input of both.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from speech_emotion.errors import UserError
from speech_emotion.layers.convolution import convolution_block
from speech_emotion.layers.normalisation import Affine, Statistics, about_mean
from speech_emotion.learning.network import Network
from speech_emotion.learning.options import NetworkParams
from speech_emotion.params import Positive
from speech_emotion.systems.base import TestParams
from speech_emotion.systems.network import NetworkSystem

CNN, LSTM = "cnn", "lstm"


class CL(Network):
    """Features (B, 128, D) -> three convolutions, or two LSTM layers, or both in parallel, fused by dense layers.

    Inputs are scaled to [0, 1] by each dimension's range over the training frames (Min-Max normalisation, section 3.3).
    All but those in `keep_mean` then get mean normalisation over the window. The paper does not do this; it removes
    differences between speakers and microphones that the training data does not cover. Each branch's output is
    normalised to zero mean and unit variance before the branches are concatenated.

    Args:
        inputs: branch (cnn, lstm) -> name of its feature.
        keep_mean: features without mean normalisation over the window.
        dims: feature -> number of dimensions.
        frames: frames of a window.
        classes: number of outputs.
        dropout: between LSTM layers and before the dense layers.
        last: use the LSTM's last state; otherwise all its states.
    """

    def __init__(
        self,
        inputs: Mapping[str, str],
        keep_mean: Collection[str],
        dims: Mapping[str, int],
        frames: int,
        classes: int,
        dropout: float,
        last: bool,
    ):
        super().__init__()
        self.inputs, self.keep_mean, self.last = dict(inputs), list(keep_mean), last
        self.ranges = nn.ModuleDict({name: Affine(dims[name]) for name in dict.fromkeys(inputs.values())})
        self.norms, sizes = nn.ModuleList(), []
        if CNN in inputs:
            blocks = ((1, 32), (32, 64), (64, 64))
            layers = [layer for ins, outs in blocks for layer in convolution_block(ins, outs, 3, pool=2)]
            self.convolutions = nn.Sequential(*layers)
            sizes.append(64 * (frames // 8) * (dims[inputs[CNN]] // 8))
        if LSTM in inputs:
            self.lstm = nn.LSTM(dims[inputs[LSTM]], 128, num_layers=2, batch_first=True, dropout=dropout)
            sizes.append(128 if last else 128 * frames)
        self.norms.extend(nn.LayerNorm(size) for size in sizes)
        self.dense = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(sum(sizes), 128),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(128, 64),
            nn.ReLU(),
            nn.Linear(64, classes),
        )

    def fit_normalisation(self, statistics: Mapping[str, Statistics]) -> None:
        for name, scale in self.ranges.items():
            scale.min_max(statistics[name])

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        found = []
        if CNN in self.inputs:
            image = self._scaled(self.inputs[CNN], features)  # (B, L, D)
            image = image.unsqueeze(3).movedim(3, 1)  # (B, 1, L, D), channels last in memory: faster on CPUs
            found.append(self.convolutions(image).flatten(1))  # (B, 64 * L/8 * D/8)
        if LSTM in self.inputs:
            sequence, _ = self.lstm(self._scaled(self.inputs[LSTM], features))  # (B, L, 128)
            found.append(sequence[:, -1] if self.last else sequence.flatten(1))
        return self.dense(torch.cat([norm(one) for norm, one in zip(self.norms, found, strict=True)], dim=1))

    def _scaled(self, name: str, features: Mapping[str, Tensor]) -> Tensor:
        feature = self.ranges[name](features[name])
        return feature if name in self.keep_mean else about_mean(feature)


class Recogniser(NetworkSystem):
    ARCHITECTURE = "cl"
    VERSION = 1
    PAPER = "wang-cl-jetson"
    TRAINING_WINDOWS = "one"

    class Params(NetworkParams):
        dropout: Annotated[float, Field(ge=0, lt=1)]
        keep_mean: tuple[str, ...] = ()  # features without mean normalisation over the window
        branches: tuple[Literal["cnn", "lstm"], ...] = (CNN, LSTM)
        # the paper flattens, but does not say whether the whole sequence or the last state
        lstm_output: Literal["last", "sequence"]
        window_frames: Annotated[int, Field(ge=8, multiple_of=8)]
        hop_frames: Positive

    def build(self) -> CL:
        p, dims = self.params, self.definition.dims
        if unknown := sorted(set(p.keep_mean) - set(dims)):
            raise UserError(f"systems.{self.name}.keep_mean: {unknown[0]}: must be among needs.{self.name}.features")
        inputs = self._inputs(list(dims))
        if CNN in inputs and dims[inputs[CNN]] < 8:
            raise UserError(
                f"needs.{self.name}.features: {inputs[CNN]} has {dims[inputs[CNN]]} dimensions: the CNN halves them "
                "three times: name a feature with at least 8"
            )
        last = p.lstm_output == "last"
        return CL(inputs, p.keep_mean, dims, p.window_frames, self.classes, p.dropout, last)

    def _inputs(self, features: Sequence[str]) -> dict[str, str]:
        branches = sorted(set(self.params.branches))  # cnn before lstm
        if not branches:
            raise UserError(f"systems.{self.name}.branches = []: must name cnn, lstm or both")
        if len(features) not in (1, len(branches)):
            raise UserError(
                f"needs.{self.name}.features = {features}: must name one feature for all branches, or one for each of "
                f"{branches}"
            )
        return dict(zip(branches, features if len(features) > 1 else 2 * features, strict=False))

    @classmethod
    def search_space(cls, trial: Any) -> dict[str, Any]:
        return {
            "learning_rate": trial.suggest_float("learning_rate", 3e-5, 1e-3, log=True),
            "dropout": trial.suggest_float("dropout", 0.0, 0.6),
            "lstm_output": trial.suggest_categorical("lstm_output", ["last", "sequence"]),
        }

    @classmethod
    def test_params(cls) -> TestParams:
        small = {"epochs": 20, "batch_size": 8, "learning_rate": 1e-3, "dropout": 0.2, "lstm_output": "last"}
        return TestParams({**small, "window_frames": 16, "hop_frames": 8}, features=("mspec", "mfcc"), epochs=16)

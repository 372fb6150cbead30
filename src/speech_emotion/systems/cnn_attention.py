"""E3, CNN only: convolutions on the spectrogram of a whole utterance, then attention over time.

cnn-lstm-ensemble-ravdess uses a CNN on the spectrogram but gives no sizes; those here are our choice.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field
from torch import Tensor, nn

from speech_emotion.errors import UserError
from speech_emotion.layers.convolution import convolution_block
from speech_emotion.layers.normalisation import Affine, ChannelNorm, Statistics
from speech_emotion.layers.pooling import AttentionPooling, length_mask
from speech_emotion.learning.network import Network
from speech_emotion.learning.options import NetworkParams
from speech_emotion.systems.base import TestParams
from speech_emotion.systems.network import UtteranceNetworkSystem

BLOCKS = 3


class CnnAttention(Network):
    """Spectrograms (B, L, M) of B utterances -> three convolutions that halve frames and bands -> attention -> dense.

    After each block, frames past the end of an utterance are set to 0, like the convolutions' own padding.

    Args:
        feature: name of the input.
        dims: its number of bands, M.
        channels: channels of the first convolution; each further one has twice as many.
        units: units of the dense layer over each frame, and of the attention.
        classes: number of outputs.
        dropout: after the dense layer over each frame.
    """

    def __init__(self, feature: str, dims: int, channels: int, units: int, classes: int, dropout: float):
        super().__init__()
        self.feature = feature
        self.normalise = Affine(dims)
        self.blocks = nn.ModuleList()
        inputs, bands = 1, dims
        for number in range(BLOCKS):
            outputs = channels * 2**number
            self.blocks.append(nn.Sequential(*convolution_block(inputs, outputs, 3, (2, 2), ChannelNorm(outputs))))
            inputs, bands = outputs, halved(bands)
        self.project = nn.Sequential(nn.Linear(inputs * bands, units), nn.ReLU(), nn.Dropout(dropout))
        self.pool = AttentionPooling(units, units)
        self.dense = nn.Linear(units, classes)

    def fit_normalisation(self, statistics: Mapping[str, Statistics]) -> None:
        self.normalise.standardise(statistics[self.feature])

    def forward(self, features: Mapping[str, Tensor], lengths: Tensor) -> Tensor:
        image = self.normalise(features[self.feature]).unsqueeze(1)  # (B, 1, L, M)
        image = image * length_mask(lengths, image.shape[2])[:, None, :, None]
        for block in self.blocks:
            lengths = halved(lengths)
            image = block(image)
            mask = length_mask(lengths, image.shape[2])
            image = image * mask[:, None, :, None]
        frames = self.project(image.transpose(1, 2).flatten(2))  # (B, L/8, units)
        vector, _ = self.pool(frames, mask)
        return self.dense(vector)


def halved(size: Any) -> Any:
    """Number of frames or bands after a convolution of size 3 and stride 2."""
    return (size + 1) // 2


class Recogniser(UtteranceNetworkSystem):
    ARCHITECTURE = "cnn-attention"
    VERSION = 1
    PAPER = "cnn-lstm-ensemble-ravdess"

    class Params(NetworkParams):
        dropout: Annotated[float, Field(ge=0, lt=1)]
        channels: Annotated[int, Field(ge=2, le=256)]  # of the first block; each further block has twice as many
        units: Annotated[int, Field(ge=2, le=1024)]

    def build(self) -> CnnAttention:
        if len(self.definition.features) != 1:
            raise UserError(f"needs.{self.name}.features = {list(self.definition.features)}: must name one feature")
        ((feature, dims),) = self.definition.dims.items()
        p = self.params
        return CnnAttention(feature, dims, p.channels, p.units, self.classes, p.dropout)

    @classmethod
    def search_space(cls, trial: Any) -> dict[str, Any]:
        return {
            "learning_rate": trial.suggest_float("learning_rate", 1e-4, 5e-3, log=True),
            "dropout": trial.suggest_float("dropout", 0.0, 0.6),
            "channels": trial.suggest_categorical("channels", [8, 16, 32]),
        }

    @classmethod
    def test_params(cls) -> TestParams:
        small = {"epochs": 30, "batch_size": 8, "learning_rate": 5e-3, "dropout": 0.0, "channels": 4, "units": 16}
        return TestParams(small, features=("mspec",), epochs=12)

"""Normalisers whose constants come from the training utterances, and those that need none."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn


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
    """(B, L, D) less its mean over L, which removes level and the colour of voice and microphone.

    Of log spectra and cepstra this is cepstral mean normalisation (Atal 1974) over one window.
    """
    return feature - feature.mean(dim=1, keepdim=True)


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each place of an image (B, C, L, M).

    It looks at one frame at a time, so that padding and batch mates change nothing (batch normalisation would).
    """

    def forward(self, image: Tensor) -> Tensor:
        return super().forward(image.movedim(1, 3)).movedim(3, 1)

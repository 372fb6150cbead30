"""Normalisation layers, with constants from the training utterances or without constants."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Statistics:
    """Statistics of one feature over the frames of the training utterances; every array has shape (D,).

    Attributes:
        mean: mean.
        std: standard deviation.
        low: minimum.
        high: maximum.
    """

    mean: np.ndarray
    std: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Affine(nn.Module):
    """(x - shift) * scale for each dimension: standardises or scales to [0, 1], with constants from training frames.

    Args:
        dims: number of dimensions, D.
    """

    def __init__(self, dims: int):
        super().__init__()
        self.register_buffer("shift", torch.zeros(dims))
        self.register_buffer("scale", torch.ones(dims))

    def standardise(self, statistics: Statistics) -> None:
        """Zero mean and unit variance over the training frames; a constant dimension becomes 0."""
        self._set(statistics.mean, statistics.std)

    def min_max(self, statistics: Statistics) -> None:
        """Maps the range of the training frames to [0, 1]; a constant dimension becomes 0."""
        self._set(statistics.low, statistics.high - statistics.low)

    def _set(self, shift: np.ndarray, width: np.ndarray) -> None:
        scale = np.where(width > 1e-6, 1.0 / np.maximum(width, 1e-6), 0.0)
        self.shift.copy_(torch.as_tensor(shift, dtype=torch.float32))
        self.scale.copy_(torch.as_tensor(scale, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.shift) * self.scale


def about_mean(feature: Tensor) -> Tensor:
    """Mean normalisation: a feature (B, L, D) minus its mean over L. Removes level and spectral tilt.

    For log spectra and cepstra this is cepstral mean normalisation (Atal 1974) over one window.
    """
    return feature - feature.mean(dim=1, keepdim=True)


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels at each position of an image (B, C, L, M).

    Each position is normalised separately, so padding and the other rows of a batch have no effect (with batch
    normalisation they would).
    """

    def forward(self, image: Tensor) -> Tensor:
        return super().forward(image.movedim(1, 3)).movedim(3, 1)

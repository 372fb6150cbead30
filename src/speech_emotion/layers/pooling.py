"""Pooling of the frames of an utterance of any length into one vector."""

import torch
from torch import Tensor, nn


def length_mask(lengths: Tensor, frames: int) -> Tensor:
    """(B, frames), True where a frame belongs to the utterance, False where it is padding.

    Args:
        lengths: (B,) frames of each utterance.
        frames: frames of the padded batch.
    """
    return torch.arange(frames, device=lengths.device) < lengths.unsqueeze(1)


class AttentionPooling(nn.Sequential):
    """Additive attention over frames h_t: a = softmax_t(v . tanh(W h_t)); the pooled vector is sum_t a_t h_t.

    Bahdanau et al. 2015, eq. 6, without a query.

    Args:
        dims: number of dimensions of h_t.
        units: number of rows of W.
    """

    def __init__(self, dims: int, units: int):
        super().__init__(nn.Linear(dims, units), nn.Tanh(), nn.Linear(units, 1, bias=False))

    def forward(self, outputs: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(B, L, dims) -> vectors (B, dims) and attention (B, L), which sums to 1 over the frames without padding.

        Args:
            outputs: the frames h_t, (B, L, dims).
            mask: (B, L), False for padding; None if there is none.
        """
        scores = super().forward(outputs).squeeze(2)
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        attention = torch.softmax(scores, dim=1)
        return (attention.unsqueeze(1) @ outputs).squeeze(1), attention

"""The face that the training loop knows of a network."""

from collections.abc import Mapping

from torch import Tensor, nn

from speech_emotion.layers.normalisation import Statistics
from speech_emotion.learning.optimisers import Criterion


class Network(nn.Module):
    """A module over the features of some rows: {name: (B, L, D)} -> logits (B, classes).

    A network over whole utterances is also given `lengths`, (B,) frames of each row that are no padding.
    """

    def fit_normalisation(self, statistics: Mapping[str, Statistics]) -> None:
        """Takes the constants of normalisation from training utterances, before the first epoch."""
        raise NotImplementedError

    def loss(self, *inputs: object, targets: Tensor, criterion: Criterion = nn.functional.cross_entropy) -> Tensor:
        """What training lowers: the criterion of logits and targets, and whatever a system adds.

        Args:
            inputs: of forward().
            targets: (B,) class numbers, or (B, classes) shares.
            criterion: cross-entropy as the system's options weight it.
        """
        return criterion(self(*inputs), targets)

"""The interface between a network and the training loop."""

from collections.abc import Mapping

from torch import Tensor, nn

from speech_emotion.layers.normalisation import Statistics
from speech_emotion.learning.optimisers import Criterion


class Network(nn.Module):
    """A module that maps features {name: (B, L, D)} to logits (B, classes).

    The forward method of a network over whole utterances also takes `lengths`, (B,): the frames of each row without
    padding.
    """

    def fit_normalisation(self, statistics: Mapping[str, Statistics]) -> None:
        """Sets the constants of normalisation before the first epoch.

        Args:
            statistics: feature -> statistics over the training utterances.
        """
        raise NotImplementedError

    def loss(self, *inputs: object, targets: Tensor, criterion: Criterion = nn.functional.cross_entropy) -> Tensor:
        """The loss that training minimises: the criterion, and any terms that a network adds.

        Args:
            inputs: arguments of forward().
            targets: (B,) class numbers, or (B, classes) shares of the classes.
            criterion: cross-entropy, with the class weights and label smoothing of the system's options.
        """
        return criterion(self(*inputs), targets)

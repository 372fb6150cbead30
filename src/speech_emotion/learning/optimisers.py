"""Optimiser, learning-rate schedule and loss, as a system's options set them."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from speech_emotion.learning.options import NetworkParams

Criterion = Callable[[Tensor, Tensor], Tensor]


def optimiser_of(network: nn.Module, options: NetworkParams) -> torch.optim.Optimizer:
    """The optimiser for the network's weights, as the options set it."""
    kind = {
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "sgd": torch.optim.SGD,
        "rmsprop": torch.optim.RMSprop,
    }[options.optimiser]
    momentum = {"momentum": options.momentum} if options.momentum else {}
    return kind(network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay, **momentum)


class Schedule:
    """Sets the learning rate before each epoch; without schedule and warm-up it stays unchanged.

    Args:
        optimiser: its current learning rates are the maximum.
        options: only schedule, schedule_epochs, schedule_factor and warm_up are used.
        epochs: the largest possible number of epochs; the cosine schedule reaches 0 after it.
    """

    def __init__(self, optimiser: torch.optim.Optimizer, options: NetworkParams, epochs: int):
        self._optimiser, self._options, self._epochs = optimiser, options, epochs
        self._highest = [group["lr"] for group in optimiser.param_groups]
        self._lowest_loss, self._waited, self._falls = math.inf, 0, 0

    def begin(self, epoch: int) -> None:
        """Call it before each epoch; epochs count from 1."""
        factor = self._factor(epoch)
        for group, highest in zip(self._optimiser.param_groups, self._highest, strict=True):
            group["lr"] = factor * highest

    def end(self, loss: float) -> None:
        """Call it after each epoch with the training loss."""
        if loss < self._lowest_loss:
            self._lowest_loss, self._waited = loss, 0
            return
        self._waited += 1
        if self._waited >= self._options.schedule_epochs:
            self._waited, self._falls = 0, self._falls + 1

    def _factor(self, epoch: int) -> float:
        options = self._options
        if epoch <= options.warm_up:
            return epoch / (options.warm_up + 1)
        past = epoch - 1 - options.warm_up
        return {
            "none": lambda: 1.0,
            "cosine": lambda: (1 + math.cos(math.pi * past / max(1, self._epochs - options.warm_up))) / 2,
            "step": lambda: options.schedule_factor ** (past // options.schedule_epochs),
            "plateau": lambda: options.schedule_factor**self._falls,
        }[options.schedule]()


def criterion_of(options: NetworkParams, targets: np.ndarray, classes: int) -> Criterion:
    """Cross-entropy of logits (B, classes) and targets (B,), or shares of the classes (B, classes).

    Args:
        options: only class_weight and label_smoothing are used.
        targets: (N,) class numbers of all training utterances, for the class weights.
        classes: number of classes.
    """
    if options.class_weight == "none" and not options.label_smoothing:
        return nn.functional.cross_entropy
    weight = None
    if options.class_weight == "balanced":
        counts = np.bincount(targets, minlength=classes)
        weight = torch.tensor(len(targets) / (np.count_nonzero(counts) * np.maximum(counts, 1)), dtype=torch.float32)

    def criterion(logits: Tensor, targets: Tensor) -> Tensor:
        of = None if weight is None else weight.to(logits.device)
        return nn.functional.cross_entropy(logits, targets, weight=of, label_smoothing=options.label_smoothing)

    return criterion

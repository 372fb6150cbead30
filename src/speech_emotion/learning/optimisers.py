"""Optimisers, learning-rate schedules and the loss, from a system's options."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from speech_emotion.learning.options import NetworkParams

Criterion = Callable[[Tensor, Tensor], Tensor]


def optimiser_of(network: nn.Module, options: NetworkParams) -> torch.optim.Optimizer:
    """The optimiser of the network's weights."""
    kind = {
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "sgd": torch.optim.SGD,
        "rmsprop": torch.optim.RMSprop,
    }[options.optimiser]
    momentum = {"momentum": options.momentum} if options.momentum else {}
    return kind(network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay, **momentum)


class Schedule:
    """Sets the learning rate before each epoch; without schedule and warm-up it leaves it alone.

    Args:
        optimiser: its learning rates are the highest.
        options: schedule, schedule_epochs, schedule_factor, warm_up.
        epochs: that are possible, where cosine reaches 0.
    """

    def __init__(self, optimiser: torch.optim.Optimizer, options: NetworkParams, epochs: int):
        self._optimiser, self._options, self._epochs = optimiser, options, epochs
        self._highest = [group["lr"] for group in optimiser.param_groups]
        self._lowest_loss, self._waited, self._falls = math.inf, 0, 0

    def begin(self, epoch: int) -> None:
        """To be called before an epoch, counted from 1."""
        factor = self._factor(epoch)
        for group, highest in zip(self._optimiser.param_groups, self._highest, strict=True):
            group["lr"] = factor * highest

    def end(self, loss: float) -> None:
        """To be called after an epoch with its training loss."""
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
    """Cross-entropy of logits (B, classes) with targets (B,), or (B, classes) shares, as the options weight it.

    Args:
        options: class_weight and label_smoothing.
        targets: (N,) class numbers of the training utterances.
        classes: how many there are.
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

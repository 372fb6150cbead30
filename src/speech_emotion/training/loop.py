"""The training loop of networks: epochs, early stopping on inner validation speakers, prediction."""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from sklearn.metrics import recall_score

from speech_emotion.errors import UserError
from speech_emotion.systems.network import Network, NetworkSystem
from speech_emotion.training.windows import Windows, utterance_means

PREDICTION_BATCH = 256


@dataclass
class Fit:
    """What a training yields beside the fitted system.

    Attributes:
        best_epoch: the epoch whose weights were kept, from 1; 0 for an estimator, which has none.
        curves: one row an epoch: epoch, loss, valid_loss, valid_ua (the latter two only with validation).
    """

    best_epoch: int
    curves: list[dict[str, float]] = field(default_factory=list)


def fit_network(
    system: NetworkSystem,
    train: Windows,
    valid: Windows | None,
    seed: int,
    max_epochs: int,
    patience: int,
    on_epoch: Callable[[int, Mapping[str, float]], None] = lambda epoch, values: None,
) -> Fit:
    """Trains the system's network in place; with `valid`, keeps the epoch of the best validation UA and stops early.

    The UA is averaged over the system's last `validation_epochs`; equal ones are decided by the lower loss. Without
    `valid` all `max_epochs` are trained and the last is kept.

    Raises:
        UserError: the loss stopped being a finite number.
    """
    torch.manual_seed(seed)
    system.network = network = system.build()
    network.fit_normalisation(train.statistics())
    optimiser = system.optimiser()
    average = _Average(network, system.average)
    fit, best, weights = Fit(best_epoch=0), (-math.inf, -math.inf), None
    for epoch in range(1, max_epochs + 1):
        network.train()
        losses = []
        for features, targets in train.training_batches(
            system.params.batch_size, system.TRAINING_WINDOWS == "one", seed, epoch
        ):
            loss = network.loss(features, targets)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            average.update()
            losses.append(loss.item())
        row = {"epoch": epoch, "loss": float(np.mean(losses))}
        if not math.isfinite(row["loss"]):
            raise UserError(f"epoch {epoch}: loss = {row['loss']}: lower systems.{system.definition.id}.learning_rate")
        if valid is None:
            fit.best_epoch = epoch
        else:
            probabilities = predict_windows(average.network, valid)
            row["valid_loss"] = cross_entropy(probabilities, valid.targets)
            row["valid_ua"] = unweighted_recall(probabilities, valid.targets)
        fit.curves.append(row)
        if valid is not None:
            merit = (recent_validation_ua(fit.curves, system.validation_epochs), -row["valid_loss"])
            if merit > best:
                best, fit.best_epoch, weights = merit, epoch, copy.deepcopy(average.network.state_dict())
        on_epoch(epoch, row)
        if valid is not None and epoch - fit.best_epoch >= patience:
            break
    network.load_state_dict(weights if weights is not None else average.network.state_dict())
    network.eval()
    return fit


def recent_validation_ua(curves: Sequence[Mapping[str, float]], epochs: int) -> float:
    """The validation UA averaged over the last `epochs` rows, 0 to 1: what decides which epoch is kept."""
    return float(np.mean([row["valid_ua"] for row in curves[-epochs:]]))


class _Average:
    """The network itself, or, with a decay above 0, the moving average of its weights and buffers.

    The decay of step n is at most (1 + n) / (10 + n), so that the first weights are soon forgotten.
    """

    def __init__(self, network: Network, decay: float):
        self._source = network
        self._model = None
        if decay > 0:

            def average(averaged: Any, current: Any, count: Any) -> None:
                step = int(count)
                torch.optim.swa_utils.get_ema_multi_avg_fn(min(decay, (1 + step) / (10 + step)))(
                    averaged, current, count
                )

            self._model = torch.optim.swa_utils.AveragedModel(network, multi_avg_fn=average, use_buffers=True)

    @property
    def network(self) -> Network:
        return self._source if self._model is None else self._model.module

    def update(self) -> None:
        if self._model is not None:
            self._model.update_parameters(self._source)


def predict_network(system: NetworkSystem, windows: Windows) -> np.ndarray:
    """Probabilities (N, classes) of the utterances: the mean over their windows."""
    return predict_windows(system.network, windows)


def predict_windows(network: Network, windows: Windows) -> np.ndarray:
    """Probabilities (N, classes) of the utterances by a network, which is put into evaluation mode."""
    network.eval()
    values, owners = [], []
    with torch.inference_mode():
        for features, numbers in windows.prediction_batches(PREDICTION_BATCH):
            values.append(torch.softmax(network(features), dim=1).numpy().astype(np.float64))
            owners.append(numbers)
    return utterance_means(np.concatenate(values), np.concatenate(owners), len(windows))


def cross_entropy(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Mean negative log-likelihood of the targets (N,) under probabilities (N, C)."""
    chosen = probabilities[np.arange(len(targets)), targets]
    return float(-np.log(np.maximum(chosen, 1e-12)).mean())


def unweighted_recall(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Recall averaged over the classes that occur among the targets, 0 to 1."""
    return float(
        recall_score(targets, probabilities.argmax(axis=1), labels=np.unique(targets), average="macro", zero_division=0)
    )

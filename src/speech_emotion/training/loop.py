"""The training loop of networks: epochs, early stopping on inner validation speakers, prediction."""

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from sklearn.metrics import recall_score
from torch import Tensor, nn

from speech_emotion.errors import UserError
from speech_emotion.params import CPU, Device
from speech_emotion.systems.network import Network, NetworkSystem
from speech_emotion.training.devices import repeatable, training_device
from speech_emotion.training.windows import Windows, utterance_means

PREDICTION_BATCH = 256


@dataclass
class Fit:
    """What a training yields beside the fitted system.

    Attributes:
        best_epoch: the epoch whose weights were kept, from 1; 0 for an estimator, which has none.
        device: where it was trained, "cpu" or "cuda".
        curves: one row an epoch: epoch, loss, valid_loss, valid_ua (the latter two only with validation).
    """

    best_epoch: int
    curves: list[dict[str, float]] = field(default_factory=list)
    device: str = CPU


def fit_network(
    system: NetworkSystem,
    train: Windows,
    valid: Windows | None,
    seed: int,
    max_epochs: int,
    patience: int,
    on_epoch: Callable[[int, Mapping[str, float]], None] = lambda epoch, values: None,
    device: Device = CPU,
) -> Fit:
    """Trains the system's network in place; with `valid`, keeps the epoch of the best validation UA and stops early.

    The UA is averaged over the system's last `validation_epochs`; equal ones are decided by the lower loss. Without
    `valid` all `max_epochs` are trained and the last is kept. Weights start the same on every device, and batches are
    the same; the network is back on the CPU at the end.

    Args:
        device: as `train.device`; features are moved there batch by batch.

    Raises:
        UserError: the loss stopped being a finite number, or the device is not there.
    """
    place = training_device(device)
    torch.manual_seed(seed)
    system.network = network = system.build()
    network.fit_normalisation(train.statistics())
    network.to(place)
    with repeatable(place):
        fit = _fit(system, train, valid, seed, max_epochs, patience, on_epoch)
    network.cpu().eval()
    fit.device = place.type
    return fit


def _fit(
    system: NetworkSystem,
    train: Windows,
    valid: Windows | None,
    seed: int,
    max_epochs: int,
    patience: int,
    on_epoch: Callable[[int, Mapping[str, float]], None],
) -> Fit:
    network, optimiser = system.network, system.optimiser()
    average = _Average(network, system.average)
    fit, best, weights = Fit(best_epoch=0), (-math.inf, -math.inf), None
    for epoch in range(1, max_epochs + 1):
        batches = train.training_batches(system.params.batch_size, system.TRAINING_WINDOWS == "one", seed, epoch)
        row = {"epoch": epoch, "loss": float(np.mean(_train_epoch(network, optimiser, average, batches)))}
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
    return fit


def _train_epoch(
    network: Network,
    optimiser: torch.optim.Optimizer,
    average: "_Average",
    batches: Iterable[tuple[Mapping[str, Tensor], Tensor]],
) -> list[float]:
    """One epoch on the device that holds the network; returns the loss of each batch."""
    network.train()
    device, losses = _device_of(network), []
    for features, targets in batches:
        loss = network.loss(_moved(features, device), targets.to(device))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        average.update()
        losses.append(loss.detach())
    return torch.stack(losses).tolist() if losses else []  # read once: each reading waits for the GPU


def _device_of(network: Network) -> torch.device:
    return next(network.parameters()).device


def _moved(features: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    return {name: feature.to(device) for name, feature in features.items()}


def recent_validation_ua(curves: Sequence[Mapping[str, float]], epochs: int) -> float:
    """The validation UA averaged over the last `epochs` rows, 0 to 1: what decides which epoch is kept."""
    return float(np.mean([row["valid_ua"] for row in curves[-epochs:]]))


class _Average:
    """The network itself, or, with a decay above 0, the moving average of its weights and buffers.

    The decay of step n is at most (1 + n) / (10 + n), so that the first weights are soon forgotten. It lies on the
    network's device.
    """

    def __init__(self, network: Network, decay: float):
        self._source = network
        self._model = None
        self._steps = 0
        if decay > 0:

            def average(averaged: Any, current: Any, count: Any) -> None:
                step = self._steps  # the same as `count`, which would have to come from the device
                torch.optim.swa_utils.get_ema_multi_avg_fn(min(decay, (1 + step) / (10 + step)))(
                    averaged, current, count
                )

            self._model = torch.optim.swa_utils.AveragedModel(network, multi_avg_fn=average, use_buffers=True)
            for part in self._model.modules():
                if isinstance(part, nn.RNNBase):
                    part.flatten_parameters()  # cuDNN wants weights in one piece, which a copy's are not

    @property
    def network(self) -> Network:
        return self._source if self._model is None else self._model.module

    def update(self) -> None:
        if self._model is not None:
            self._model.update_parameters(self._source)
            self._steps += 1


def predict_network(system: NetworkSystem, windows: Windows) -> np.ndarray:
    """Probabilities (N, classes) of the utterances: the mean over their windows."""
    return predict_windows(system.network, windows)


def predict_windows(network: Network, windows: Windows) -> np.ndarray:
    """Probabilities (N, classes) of the utterances by a network, on its device; it is put into evaluation mode."""
    network.eval()
    device, values, owners = _device_of(network), [], []
    with torch.inference_mode():
        for features, numbers in windows.prediction_batches(PREDICTION_BATCH):
            logits = network(_moved(features, device))
            values.append(torch.softmax(logits, dim=1).cpu().numpy().astype(np.float64))
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

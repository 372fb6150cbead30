"""The training loop of networks: epochs, early stopping on inner validation speakers, prediction."""

import copy
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from speech_emotion.errors import UserError
from speech_emotion.learning.changes import Changes
from speech_emotion.learning.devices import repeatable, training_device
from speech_emotion.learning.network import Network
from speech_emotion.learning.optimisers import Criterion, Schedule, criterion_of
from speech_emotion.learning.options import NetworkParams
from speech_emotion.learning.scores import cross_entropy, unweighted_recall
from speech_emotion.learning.sequences import Batch, Sequences, utterance_means
from speech_emotion.params import CPU, Device
from speech_emotion.recorder import OnEpoch

# Raise it when the loop, the batches or the fitting give other results for the same inputs. No earlier fold run of any
# system is found after that.
TRAINING_VERSION = 1
PREDICTION_BATCH = 256


@dataclass(frozen=True)
class Limits:
    """Settings of a training that are not the system's hyper-parameters.

    Attributes:
        max_epochs: the budget's limit; the system's own `epochs` is a second limit.
        patience: training stops after this many epochs without a better validation UA.
        device: where networks are trained, a value of `train.device`.
    """

    max_epochs: int
    patience: int
    device: Device = CPU


@dataclass
class Fit:
    """What a training returns in addition to the fitted system.

    Attributes:
        best_epoch: the epoch whose weights were kept, from 1; 0 for a system without epochs.
        curves: one row for each epoch: epoch, loss, valid_loss, valid_ua (the last two only with validation).
        device: where it was trained, "cpu" or "cuda".
    """

    best_epoch: int = 0
    curves: list[dict[str, float]] = field(default_factory=list)
    device: str = CPU


class Learner(Protocol):
    """What the loop needs of a system: its options, a fresh network, an optimiser for its weights."""

    params: NetworkParams
    network: Network

    @property
    def name(self) -> str: ...

    @property
    def classes(self) -> int: ...

    @property
    def spectral(self) -> Collection[str]: ...

    def build(self) -> Network: ...

    def optimiser(self) -> torch.optim.Optimizer: ...


def fit_network(
    learner: Learner,
    train: Sequences,
    valid: Sequences | None,
    seed: int,
    limits: Limits,
    on_epoch: OnEpoch = lambda epoch, values: None,
) -> Fit:
    """Trains the system's network. With `valid`, stops early and keeps the epoch with the best validation UA.

    The UA is averaged over the last `validation_epochs`; if it is equal, the lower validation loss decides. Without
    `valid`, all epochs are trained and the last is kept. Initial weights and batches are the same on every device. At
    the end the network is on the CPU again.

    Args:
        learner: the system; its `network` is replaced by a fresh one.
        train: training utterances.
        valid: inner validation utterances; None to train without validation.
        seed: seed of weights, order, windows and random changes.
        limits: epochs, patience and device; features are moved to the device batch by batch.
        on_epoch: called with each epoch's number, from 1, and its row of the curves.

    Raises:
        UserError: the loss is no longer finite, or the device does not exist.
    """
    place = training_device(limits.device)
    torch.manual_seed(seed)
    learner.network = network = learner.build()
    network.fit_normalisation(train.statistics())
    network.to(place)
    with repeatable(place):
        fit = _fit(learner, train, valid, seed, limits, on_epoch)
    network.cpu().eval()
    fit.device = place.type
    return fit


def _fit(
    learner: Learner, train: Sequences, valid: Sequences | None, seed: int, limits: Limits, on_epoch: OnEpoch
) -> Fit:
    network, options, optimiser = learner.network, learner.params, learner.optimiser()
    epochs = min(options.epochs, limits.max_epochs)
    schedule = Schedule(optimiser, options, epochs)
    criterion = criterion_of(options, train.targets, learner.classes)
    changes = Changes(options, train.statistics(), learner.spectral, seed) if Changes.wanted(options) else None
    shares = _shares(train, options, learner.classes) if options.mixup or options.distillation else None
    average = _Average(network, options.ema_decay)
    fit, best, weights = Fit(), (-math.inf, -math.inf), None
    for epoch in range(1, epochs + 1):
        batches = train.training_batches(options.batch_size, seed, epoch, changes, shares)
        schedule.begin(epoch)
        losses = _train_epoch(network, optimiser, average, batches, criterion, options.clip_norm)
        row = {"epoch": epoch, "loss": float(np.mean(losses))}
        if not math.isfinite(row["loss"]):
            raise UserError(f"epoch {epoch}: loss = {row['loss']}: lower systems.{learner.name}.learning_rate")
        schedule.end(row["loss"])
        if valid is None:
            fit.best_epoch = epoch
        else:
            probabilities = predict_network(average.network, valid)
            row["valid_loss"] = cross_entropy(probabilities, valid.targets)
            row["valid_ua"] = unweighted_recall(probabilities, valid.targets)
        fit.curves.append(row)
        if valid is not None:
            merit = (recent_validation_ua(fit.curves, options.validation_epochs), -row["valid_loss"])
            if merit > best:
                best, fit.best_epoch, weights = merit, epoch, copy.deepcopy(average.network.state_dict())
        on_epoch(epoch, row)
        if valid is not None and epoch - fit.best_epoch >= limits.patience:
            break
    network.load_state_dict(weights if weights is not None else average.network.state_dict())
    return fit


def _shares(train: Sequences, options: NetworkParams, classes: int) -> np.ndarray:
    """(N, classes) float32: each utterance's class, mixed with the mean of its teachers' predictions if any."""
    own = np.eye(classes)[train.targets]
    if options.distillation:
        teachers = np.mean([np.asarray(one) for one in train.utterances.members.values()], axis=0)
        own = (1 - options.distillation) * own + options.distillation * teachers
    return own.astype(np.float32)


def _train_epoch(
    network: Network,
    optimiser: torch.optim.Optimizer,
    average: "_Average",
    batches: Iterable[Batch],
    criterion: Criterion,
    clip_norm: float,
) -> list[float]:
    """Trains one epoch on the network's device; returns the loss of each batch."""
    network.train()
    device, losses = _device_of(network), []
    for batch in batches:
        batch = batch.to(device)
        loss = network.loss(*batch.inputs, targets=batch.targets, criterion=criterion)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if clip_norm:
            nn.utils.clip_grad_norm_(network.parameters(), clip_norm)
        optimiser.step()
        average.update()
        losses.append(loss.detach())
    return torch.stack(losses).tolist() if losses else []  # read only once: each read waits for the GPU


def _device_of(network: Network) -> torch.device:
    return next(network.parameters()).device


def recent_validation_ua(curves: Sequence[Mapping[str, float]], epochs: int) -> float:
    """The validation UA averaged over the last rows, 0 to 1; it decides which epoch is kept.

    Args:
        curves: one row for each epoch so far.
        epochs: number of rows to average.
    """
    return float(np.mean([row["valid_ua"] for row in curves[-epochs:]]))


class _Average:
    """The network itself or, with an EMA decay above 0, the moving average of its weights and buffers.

    The decay in step n is at most (1 + n) / (10 + n), so that the initial weights are soon forgotten. The average is
    kept on the network's device.
    """

    def __init__(self, network: Network, decay: float):
        self._source = network
        self._model = None
        self._steps = 0
        if decay > 0:

            def average(averaged: Any, current: Any, count: Any) -> None:
                step = self._steps  # equals `count`, which would have to be read from the device
                torch.optim.swa_utils.get_ema_multi_avg_fn(min(decay, (1 + step) / (10 + step)))(
                    averaged, current, count
                )

            self._model = torch.optim.swa_utils.AveragedModel(network, multi_avg_fn=average, use_buffers=True)
            for part in self._model.modules():
                if isinstance(part, nn.RNNBase):
                    part.flatten_parameters()  # cuDNN needs contiguous weights, and a copy's are not

    @property
    def network(self) -> Network:
        return self._source if self._model is None else self._model.module

    def update(self) -> None:
        if self._model is not None:
            self._model.update_parameters(self._source)
            self._steps += 1


def predict_network(network: Network, sequences: Sequences) -> np.ndarray:
    """A network's probabilities (N, classes) for the utterances: the mean over each utterance's windows.

    Args:
        network: put into evaluation mode; runs on the device it is on.
        sequences: the utterances.
    """
    network.eval()
    device, values, owners = _device_of(network), [], []
    with torch.inference_mode():
        for batch in sequences.prediction_batches(PREDICTION_BATCH):
            logits = network(*batch.to(device).inputs)
            values.append(torch.softmax(logits, dim=1).cpu().numpy().astype(np.float64))
            owners.append(batch.owners)
    return utterance_means(np.concatenate(values), np.concatenate(owners), len(sequences))

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

# Raise it when the loop, the batches or the fitting make something else of the same inputs: nothing that was trained
# before is found then, whatever its system.
TRAINING_VERSION = 1
PREDICTION_BATCH = 256


@dataclass(frozen=True)
class Limits:
    """What bounds a training beside the system's own hyper-parameters.

    Attributes:
        max_epochs: of the budget; the system's own `epochs` is another bound.
        patience: epochs without a better validation UA before stopping.
        device: where networks are trained, as `train.device`.
    """

    max_epochs: int
    patience: int
    device: Device = CPU


@dataclass
class Fit:
    """What a training yields beside the fitted system.

    Attributes:
        best_epoch: the epoch whose weights were kept, from 1; 0 for a system without epochs.
        device: where it was trained, "cpu" or "cuda".
        curves: one row an epoch: epoch, loss, valid_loss, valid_ua (the latter two only with validation).
    """

    best_epoch: int = 0
    curves: list[dict[str, float]] = field(default_factory=list)
    device: str = CPU


class Learner(Protocol):
    """What the loop asks of a system: its options, a fresh network, an optimiser of its weights."""

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
    """Trains the system's network in place; with `valid`, keeps the epoch of the best validation UA and stops early.

    The UA is averaged over the last `validation_epochs`; equal ones are decided by the lower loss. Without `valid` all
    epochs are trained and the last is kept. Weights start the same on every device, and batches are the same; the
    network is back on the CPU at the end.

    Args:
        learner: its `network` is replaced by a fresh one.
        train: training utterances.
        valid: inner validation utterances.
        seed: of weights, order, windows and random changes.
        limits: epochs, patience and device; features are moved there batch by batch.
        on_epoch: told each epoch's number, from 1, and its row of the curves.

    Raises:
        UserError: the loss stopped being a finite number, or the device is not there.
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
    """(N, classes) float32: each utterance's class, and the mean that its teachers give where there are any."""
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
    """One epoch on the device that holds the network; returns the loss of each batch."""
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
    return torch.stack(losses).tolist() if losses else []  # read once: each reading waits for the GPU


def _device_of(network: Network) -> torch.device:
    return next(network.parameters()).device


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


def predict_network(network: Network, sequences: Sequences) -> np.ndarray:
    """Probabilities (N, classes) of the utterances by a network, on its device, which is put into evaluation mode.

    Those of an utterance that is seen in several windows are the mean over them.
    """
    network.eval()
    device, values, owners = _device_of(network), [], []
    with torch.inference_mode():
        for batch in sequences.prediction_batches(PREDICTION_BATCH):
            logits = network(*batch.to(device).inputs)
            values.append(torch.softmax(logits, dim=1).cpu().numpy().astype(np.float64))
            owners.append(batch.owners)
    return utterance_means(np.concatenate(values), np.concatenate(owners), len(sequences))

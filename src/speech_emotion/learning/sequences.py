"""Utterances as sequences of frames that networks learn from, and the batches that are made of them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from speech_emotion.layers.normalisation import Statistics
from speech_emotion.learning.changes import Changes
from speech_emotion.learning.utterances import Utterances
from speech_emotion.randomness import generator


@dataclass(frozen=True)
class Batch:
    """What a network sees at once.

    Attributes:
        features: name -> (B, L, D).
        targets: (B,) class numbers, or (B, classes) shares of the classes.
        owners: (B,) place of each row's utterance among the utterances.
        lengths: (B,) frames of each row that are no padding; None where all are.
    """

    features: Mapping[str, Tensor]
    targets: Tensor
    owners: np.ndarray
    lengths: Tensor | None = None

    @property
    def inputs(self) -> tuple[object, ...]:
        """The network's arguments."""
        return (self.features,) if self.lengths is None else (self.features, self.lengths)

    def to(self, device: torch.device) -> "Batch":
        """The same batch there; lengths too."""
        lengths = None if self.lengths is None else self.lengths.to(device)
        features = {name: feature.to(device) for name, feature in self.features.items()}
        return replace(self, features=features, targets=self.targets.to(device), lengths=lengths)


@dataclass(frozen=True)
class Place:
    """A stretch of an utterance (`number`, counted from 0) or of one of its copies (`version`, 0 for itself)."""

    number: int
    version: int
    start: int


class Sequences(ABC):
    """Utterances over memory-mapped features; nothing is copied but the batch at hand.

    Args:
        utterances: with their targets.
        dims: feature name -> dimensions; features of one system share their hop.

    Raises:
        UserError: an utterance has no features, or of another shape.
    """

    def __init__(self, utterances: Utterances, dims: Mapping[str, int]):
        self.names = list(dims)
        self.utterances = utterances
        self.targets = np.asarray(utterances.targets)
        # versions[n] holds an utterance's original and its copies, each as {feature name: (frames, dims)}
        self._ids = [utterances.versions(id) for id in utterances.ids]
        self.versions = [[self._checked(id, utterances.load(id, dims, frames=True)) for id in ids] for ids in self._ids]
        self._by_id = sorted(range(len(self._ids)), key=lambda number: self._ids[number][0])

    def __len__(self) -> int:
        return len(self.versions)

    def _checked(self, id: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return arrays

    @staticmethod
    def frames(arrays: Mapping[str, np.ndarray]) -> int:
        """Frames that all features of an utterance have."""
        return min(len(array) for array in arrays.values())

    def statistics(self) -> dict[str, Statistics]:
        """Mean, deviation and range of each feature over all frames of the utterances, copies left out."""
        result = {}
        for name in self.names:
            arrays = [versions[0][name] for versions in self.versions]
            count = sum(len(array) for array in arrays)
            mean = sum(array.sum(axis=0, dtype=np.float64) for array in arrays) / count
            variance = sum(np.square(array - mean).sum(axis=0) for array in arrays) / count
            low = np.min([array.min(axis=0) for array in arrays], axis=0)
            high = np.max([array.max(axis=0) for array in arrays], axis=0)
            result[name] = Statistics(mean, np.sqrt(variance), low, high)
        return result

    @abstractmethod
    def stretch(self, place: Place) -> dict[str, np.ndarray]:
        """{name: (frames, dims)} of one place, as views."""

    @abstractmethod
    def partner(self, number: int, frames: int, draw: np.random.Generator) -> dict[str, np.ndarray]:
        """Some stretch of an utterance with so many frames, to be mixed into another."""

    @abstractmethod
    def batch(self, stretches: Sequence[Mapping[str, np.ndarray]], targets: np.ndarray, owners: np.ndarray) -> Batch:
        """One batch of these stretches."""

    @abstractmethod
    def training_places(self, size: int, draw: np.random.Generator) -> Iterator[list[Place]]:
        """The places of one epoch, shuffled, `size` a batch."""

    @abstractmethod
    def prediction_places(self, size: int) -> Iterator[list[Place]]:
        """All places that a prediction is made of."""

    def training_batches(
        self,
        size: int,
        seed: int,
        epoch: int,
        changes: Changes | None = None,
        shares: np.ndarray | None = None,
    ) -> Iterator[Batch]:
        """Shuffled batches of one epoch. One that holds a single row is left out: batch normalisation cannot take it.

        Args:
            size: rows of a batch.
            seed: of the training.
            epoch: from 1.
            changes: random changes of each row; None for none.
            shares: (N, classes) in place of class numbers.
        """
        for places in self.training_places(size, generator(seed, "epoch", epoch)):
            if len(places) == 1 and size > 1:
                continue
            owners = np.array([place.number for place in places])
            stretches = [self.stretch(place) for place in places]
            targets = (self.targets if shares is None else shares)[owners]
            if changes is not None:
                changed = [
                    self._changed(place, epoch, stretch, changes, target, shares)
                    for place, stretch, target in zip(places, stretches, targets, strict=True)
                ]
                stretches, targets = [stretch for stretch, _ in changed], np.stack([target for _, target in changed])
            yield self.batch(stretches, targets, owners)

    def _changed(
        self,
        place: Place,
        epoch: int,
        stretch: Mapping[str, np.ndarray],
        changes: Changes,
        target: np.ndarray,
        shares: np.ndarray | None,
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        key = f"{self._ids[place.number][place.version]}@{place.start}"
        if changes.mixes:
            draw, weight = changes.mixing(epoch, key)
            other = self._by_id[int(draw.integers(len(self)))]
            partner = self.partner(other, self.frames(stretch), draw)
            stretch = {name: weight * array + (1 - weight) * partner[name] for name, array in stretch.items()}
            target = weight * target + (1 - weight) * shares[other]
        return changes.changed(epoch, key, stretch), target

    def prediction_batches(self, size: int) -> Iterator[Batch]:
        """All windows of all utterances, or each utterance as a whole."""
        for places in self.prediction_places(size):
            owners = np.array([place.number for place in places])
            yield self.batch([self.stretch(place) for place in places], self.targets[owners], owners)


def stacked(stretches: Sequence[Mapping[str, np.ndarray]], names: Sequence[str]) -> dict[str, Tensor]:
    """{name: (B, L, D)} float32 of stretches that are equally long."""
    return {
        name: torch.from_numpy(np.stack([stretch[name] for stretch in stretches]).astype(np.float32, copy=False))
        for name in names
    }


def utterance_means(values: np.ndarray, owners: np.ndarray, count: int) -> np.ndarray:
    """Mean of window values (W, C) for each of `count` utterances: (count, C)."""
    sums = np.zeros((count, values.shape[1]))
    np.add.at(sums, owners, values)
    return sums / np.bincount(owners, minlength=count)[:, np.newaxis]

"""Utterances as sequences of frames, and the batches that networks are trained on."""

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
    """One batch of rows: windows or utterances.

    Attributes:
        features: name -> (B, L, D).
        targets: (B,) class numbers, or (B, classes) shares of the classes.
        owners: (B,) index of each row's utterance.
        lengths: (B,) frames of each row without padding; None if no row has padding.
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
        """The same batch on a device."""
        lengths = None if self.lengths is None else self.lengths.to(device)
        features = {name: feature.to(device) for name, feature in self.features.items()}
        return replace(self, features=features, targets=self.targets.to(device), lengths=lengths)


@dataclass(frozen=True)
class Place:
    """Where a row starts.

    Attributes:
        number: index of the utterance, from 0.
        version: 0 for the utterance itself, from 1 for its augmented copies.
        start: first frame.
    """

    number: int
    version: int
    start: int


class Sequences(ABC):
    """Utterances with memory-mapped features; only the current batch is copied.

    Args:
        utterances: the utterances, with their targets.
        dims: feature name -> number of dimensions; all features of a system have the same hop.

    Raises:
        UserError: features of an utterance are missing or have the wrong shape.
    """

    def __init__(self, utterances: Utterances, dims: Mapping[str, int]):
        self.names = list(dims)
        self.utterances = utterances
        self.targets = np.asarray(utterances.targets)
        # versions[n] holds an utterance and its augmented copies, each as {feature name: (frames, dims)}
        self._ids = [utterances.versions(id) for id in utterances.ids]
        self.versions = [[self._checked(id, utterances.load(id, dims, frames=True)) for id in ids] for ids in self._ids]
        self._by_id = sorted(range(len(self._ids)), key=lambda number: self._ids[number][0])

    def __len__(self) -> int:
        return len(self.versions)

    def _checked(self, id: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return arrays

    @staticmethod
    def frames(arrays: Mapping[str, np.ndarray]) -> int:
        """Number of frames that all features of an utterance have."""
        return min(len(array) for array in arrays.values())

    def statistics(self) -> dict[str, Statistics]:
        """Mean, standard deviation and range of each feature over all frames, without augmented copies."""
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
        """The features of one row, {name: (frames, dims)}, as views."""

    @abstractmethod
    def partner(self, number: int, frames: int, draw: np.random.Generator) -> dict[str, np.ndarray]:
        """A random stretch of an utterance, to be mixed into another row.

        Args:
            number: index of the utterance.
            frames: number of frames of the other row.
            draw: generator of the random start.
        """

    @abstractmethod
    def batch(self, stretches: Sequence[Mapping[str, np.ndarray]], targets: np.ndarray, owners: np.ndarray) -> Batch:
        """One batch.

        Args:
            stretches: features of each row, {name: (frames, dims)}.
            targets: (B,) class numbers, or (B, classes) shares of the classes.
            owners: (B,) index of each row's utterance.
        """

    @abstractmethod
    def training_places(self, size: int, draw: np.random.Generator) -> Iterator[list[Place]]:
        """The places of each batch of one epoch, shuffled.

        Args:
            size: rows in a batch.
            draw: generator of the random order.
        """

    @abstractmethod
    def prediction_places(self, size: int) -> Iterator[list[Place]]:
        """The places of each batch for a prediction, `size` in a batch."""

    def training_batches(
        self,
        size: int,
        seed: int,
        epoch: int,
        changes: Changes | None = None,
        shares: np.ndarray | None = None,
    ) -> Iterator[Batch]:
        """Shuffled batches of one epoch. A batch with a single row is left out, since batch normalisation needs two.

        Args:
            size: rows in a batch.
            seed: seed of the training.
            epoch: from 1.
            changes: random changes of each row; None for no changes.
            shares: (N, classes) shares of the classes, used as targets instead of class numbers.
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
        """Batches of all windows of all utterances, or of whole utterances, `size` rows in a batch."""
        for places in self.prediction_places(size):
            owners = np.array([place.number for place in places])
            yield self.batch([self.stretch(place) for place in places], self.targets[owners], owners)


def stacked(stretches: Sequence[Mapping[str, np.ndarray]], names: Sequence[str]) -> dict[str, Tensor]:
    """Stretches of equal length as {name: (B, L, D)}, float32.

    Args:
        stretches: {name: (L, D)} for each row.
        names: features to stack.
    """
    return {
        name: torch.from_numpy(np.stack([stretch[name] for stretch in stretches]).astype(np.float32, copy=False))
        for name in names
    }


def utterance_means(values: np.ndarray, owners: np.ndarray, count: int) -> np.ndarray:
    """The mean of window values for each utterance, (count, C).

    Args:
        values: (W, C), one row for each window.
        owners: (W,) index of each window's utterance.
        count: number of utterances.
    """
    sums = np.zeros((count, values.shape[1]))
    np.add.at(sums, owners, values)
    return sums / np.bincount(owners, minlength=count)[:, np.newaxis]

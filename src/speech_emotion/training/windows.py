"""Utterances as windows of frames: training draws from them, prediction averages over them."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from speech_emotion.errors import UserError
from speech_emotion.randomness import generator
from speech_emotion.store.arrays import ArrayStore
from speech_emotion.systems.network import Statistics


def window_starts(frames: int, length: int, hop: int) -> list[int]:
    """First frames of the windows over an utterance: every `hop`, and one more that ends with the last frame."""
    starts = list(range(0, frames - length + 1, hop))
    if starts and starts[-1] + length < frames:
        starts.append(frames - length)
    return starts


class Windows:
    """The windows of some utterances over memory-mapped features; nothing is copied but the batch at hand.

    Args:
        stores: feature name -> arrays (frames, dims) by id; features of one system share their hop.
        ids: utterances.
        targets: class of each utterance, (N,).
        length: frames of a window.
        hop: frames between the starts of neighbouring windows.
        copies: also offer the augmented copies of these utterances (training only).

    Raises:
        UserError: an utterance has no features, or too few frames for a window.
    """

    def __init__(
        self,
        stores: Mapping[str, ArrayStore],
        ids: Sequence[str],
        targets: np.ndarray,
        length: int,
        hop: int,
        copies: bool = False,
    ):
        self.names = list(stores)
        self.targets = np.asarray(targets)
        self.length, self.hop = length, hop
        first = stores[self.names[0]]
        # versions[n] holds an utterance's original and its copies, each as {feature name: (frames, dims)}
        self.versions = [
            [self._load(stores, version) for version in (id, *(first.copies(id) if copies else ()))] for id in ids
        ]
        self.index = [
            (n, start)
            for n, versions in enumerate(self.versions)
            for start in window_starts(self._frames(versions[0]), length, hop)
        ]

    def __len__(self) -> int:
        return len(self.versions)

    def _load(self, stores: Mapping[str, ArrayStore], id: str) -> dict[str, np.ndarray]:
        for name, store in stores.items():
            if id not in store:
                raise UserError(f"{store.folder}: has no {name} of {id}: run the features step again")
        arrays = {name: store[id] for name, store in stores.items()}
        if (frames := self._frames(arrays)) < self.length:
            raise UserError(
                f"{id}: {frames} frames are fewer than a window of {self.length}: raise the system's min_seconds"
            )
        return arrays

    @staticmethod
    def _frames(arrays: Mapping[str, np.ndarray]) -> int:
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

    def _gather(self, places: Sequence[tuple[int, int, int]]) -> dict[str, Tensor]:
        """{name: (B, length, dims)} for (utterance, version, first frame) triples."""
        return {
            name: torch.from_numpy(
                np.stack([self.versions[n][v][name][start : start + self.length] for n, v, start in places])
            )
            for name in self.names
        }

    def training_batches(
        self, size: int, one: bool, seed: int, epoch: int
    ) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
        """Shuffled batches of one epoch: all windows of each utterance and copy, or one at random of each.

        A last batch that is a single window is left out: batch normalisation cannot take it.
        """
        draw = generator(seed, "epoch", epoch)
        if one:
            places = []
            for n, versions in enumerate(self.versions):
                for v, version in enumerate(versions):
                    places.append((n, v, int(draw.integers(self._frames(version) - self.length + 1))))
        else:
            places = [
                (n, v, start)
                for n, versions in enumerate(self.versions)
                for v, version in enumerate(versions)
                for start in window_starts(self._frames(version), self.length, self.hop)
            ]
        order = draw.permutation(len(places))
        for first in range(0, len(places), size):
            batch = [places[k] for k in order[first : first + size]]
            if len(batch) > 1 or size == 1:
                yield self._gather(batch), torch.from_numpy(self.targets[[n for n, _, _ in batch]])

    def prediction_batches(self, size: int) -> Iterator[tuple[dict[str, Tensor], np.ndarray]]:
        """All windows in order, with the number of the utterance that each belongs to."""
        for first in range(0, len(self.index), size):
            batch = self.index[first : first + size]
            yield self._gather([(n, 0, start) for n, start in batch]), np.array([n for n, _ in batch])


def utterance_means(values: np.ndarray, owners: np.ndarray, count: int) -> np.ndarray:
    """Mean of window values (W, C) for each of `count` utterances: (count, C)."""
    sums = np.zeros((count, values.shape[1]))
    np.add.at(sums, owners, values)
    return sums / np.bincount(owners, minlength=count)[:, np.newaxis]

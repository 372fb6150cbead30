"""Random changes of a network's inputs, drawn again for each row in each epoch.

Draws are keyed by seed, epoch and the row's utterance (and the start of its window), so they do not depend on the order
of the utterances or on the rest of the batch. A mixup partner is drawn from all training utterances.
"""

from collections.abc import Collection, Mapping

import numpy as np

from speech_emotion.layers.normalisation import Statistics
from speech_emotion.learning.options import NetworkParams
from speech_emotion.randomness import generator


class Changes:
    """The random changes that a system's options set.

    Args:
        options: which changes, and how large they are.
        statistics: statistics of each feature over the training utterances.
        spectral: features whose dimensions are frequency bands; only these get frequency masks.
        seed: seed of the training.
    """

    def __init__(
        self, options: NetworkParams, statistics: Mapping[str, Statistics], spectral: Collection[str], seed: int
    ):
        self._options, self._statistics, self._spectral, self._seed = options, statistics, spectral, seed

    @staticmethod
    def wanted(options: NetworkParams) -> bool:
        """Whether the options set any change."""
        return any((options.time_masks, options.frequency_masks, options.mixup, options.gain, options.noise))

    @property
    def mixes(self) -> bool:
        return self._options.mixup > 0

    def mixing(self, epoch: int, key: str) -> tuple[np.random.Generator, float]:
        """The generator that draws a row's mixup partner, and the row's own share, 0 to 1.

        Args:
            epoch: from 1.
            key: identifies the row: its utterance or copy, and its first frame.
        """
        draw = generator(self._seed, "mixup", epoch, key)
        return draw, float(draw.beta(self._options.mixup, self._options.mixup))

    def changed(self, epoch: int, key: str, row: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """A row's features {name: (frames, dims)} with gain, noise and masks applied; new arrays, float32.

        Args:
            epoch: from 1.
            key: identifies the row: its utterance or copy, and its first frame.
            row: the features before the changes, {name: (frames, dims)}.
        """
        options, changed = self._options, {name: np.array(array, np.float64) for name, array in row.items()}
        if options.gain:
            level = generator(self._seed, "gain", epoch, key).uniform(-options.gain, options.gain)
            for name, array in changed.items():
                array += level * self._statistics[name].std
        if options.noise:
            draw = generator(self._seed, "noise", epoch, key)
            for name, array in changed.items():
                array += options.noise * draw.standard_normal(array.shape) * self._statistics[name].std
        draw = generator(self._seed, "time masks", epoch, key)
        for _ in range(options.time_masks):
            start, width = _mask(draw, options.time_mask_share)
            for name, array in changed.items():
                array[_places(start, width, len(array))] = self._statistics[name].mean
        draw = generator(self._seed, "frequency masks", epoch, key)
        for _ in range(options.frequency_masks):
            start, width = _mask(draw, options.frequency_mask_share)
            for name in changed.keys() & self._spectral:
                places = _places(start, width, changed[name].shape[1])
                changed[name][:, places] = self._statistics[name].mean[places]
        return {name: array.astype(np.float32) for name, array in changed.items()}


def _mask(draw: np.random.Generator, share: float) -> tuple[float, float]:
    """Start and width of a mask, as shares of the whole length."""
    width = draw.uniform(0, share)
    return draw.uniform(0, 1 - width), width


def _places(start: float, width: float, size: int) -> slice:
    first = round(start * size)
    return slice(first, first + round(width * size))

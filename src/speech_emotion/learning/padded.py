"""Batches of whole utterances, padded to the longest, with their lengths."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

from speech_emotion.learning.sequences import Batch, Place, Sequences, stacked

POOL = 16  # number of batches whose utterances are sorted by length together


class Padded(Sequences):
    """Whole utterances and their augmented copies. A batch holds utterances of similar length."""

    def stretch(self, place: Place) -> dict[str, np.ndarray]:
        arrays = self.versions[place.number][place.version]
        frames = self.frames(arrays)
        return {name: arrays[name][:frames] for name in self.names}

    def partner(self, number: int, frames: int, draw: np.random.Generator) -> dict[str, np.ndarray]:
        """The utterance from a random frame on, repeated up to the wanted number of frames."""
        whole = self.stretch(Place(number, 0, 0))
        start = int(draw.integers(self.frames(whole)))
        return {name: np.take(array, np.arange(start, start + frames), 0, mode="wrap") for name, array in whole.items()}

    def batch(self, stretches: Sequence[Mapping[str, np.ndarray]], targets: np.ndarray, owners: np.ndarray) -> Batch:
        lengths = [self.frames(stretch) for stretch in stretches]
        longest = max(lengths)
        padded = [
            {name: np.pad(array, ((0, longest - len(array)), (0, 0))) for name, array in stretch.items()}
            for stretch in stretches
        ]
        return Batch(
            stacked(padded, self.names), torch.from_numpy(targets), owners, torch.from_numpy(np.array(lengths))
        )

    def training_places(self, size: int, draw: np.random.Generator) -> Iterator[list[Place]]:
        places = [Place(n, v, 0) for n, versions in enumerate(self.versions) for v in range(len(versions))]
        places = [places[k] for k in draw.permutation(len(places))]
        batches = []
        for first in range(0, len(places), POOL * size):
            pool = sorted(places[first : first + POOL * size], key=self._length)
            batches += [pool[start : start + size] for start in range(0, len(pool), size)]
        for k in draw.permutation(len(batches)):
            yield batches[k]

    def prediction_places(self, size: int) -> Iterator[list[Place]]:
        places = sorted((Place(n, 0, 0) for n in range(len(self))), key=self._length)
        for first in range(0, len(places), size):
            yield places[first : first + size]

    def _length(self, place: Place) -> int:
        return self.frames(self.versions[place.number][place.version])

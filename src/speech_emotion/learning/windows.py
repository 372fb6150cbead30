"""Utterances as windows of frames; a prediction averages over an utterance's windows."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

from speech_emotion.errors import UserError
from speech_emotion.learning.sequences import Batch, Place, Sequences, stacked
from speech_emotion.learning.utterances import Utterances


def window_starts(frames: int, length: int, hop: int) -> list[int]:
    """First frames of the windows over an utterance: one every `hop` frames, and one that ends with the last frame.

    Args:
        frames: frames of the utterance; if there are fewer than `length`, there is no window.
        length: frames of a window.
        hop: frames between the starts of neighbouring windows.
    """
    starts = list(range(0, frames - length + 1, hop))
    if starts and starts[-1] + length < frames:
        starts.append(frames - length)
    return starts


class Windows(Sequences):
    """The windows of a set of utterances.

    Args:
        utterances: the utterances, with their targets.
        dims: feature name -> number of dimensions.
        length: frames of a window.
        hop: frames between the starts of neighbouring windows.
        one: an epoch uses one random window of each utterance and copy; otherwise all windows.

    Raises:
        UserError: features of an utterance are missing, have the wrong shape, or have too few frames for a window.
    """

    def __init__(self, utterances: Utterances, dims: Mapping[str, int], length: int, hop: int, one: bool = False):
        self.length, self.hop, self.one = length, hop, one
        super().__init__(utterances, dims)

    def _checked(self, id: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if (frames := self.frames(arrays)) < self.length:
            raise UserError(
                f"{id}: {frames} frames are fewer than a window of {self.length}: raise the system's min_seconds"
            )
        return arrays

    def stretch(self, place: Place) -> dict[str, np.ndarray]:
        arrays = self.versions[place.number][place.version]
        return {name: arrays[name][place.start : place.start + self.length] for name in self.names}

    def partner(self, number: int, frames: int, draw: np.random.Generator) -> dict[str, np.ndarray]:
        last = self.frames(self.versions[number][0]) - self.length
        return self.stretch(Place(number, 0, int(draw.integers(last + 1))))

    def batch(self, stretches: Sequence[Mapping[str, np.ndarray]], targets: np.ndarray, owners: np.ndarray) -> Batch:
        return Batch(stacked(stretches, self.names), torch.from_numpy(targets), owners)

    def training_places(self, size: int, draw: np.random.Generator) -> Iterator[list[Place]]:
        places = []
        for n, versions in enumerate(self.versions):
            for v, version in enumerate(versions):
                frames = self.frames(version)
                if self.one:
                    places.append(Place(n, v, int(draw.integers(frames - self.length + 1))))
                else:
                    places += [Place(n, v, start) for start in window_starts(frames, self.length, self.hop)]
        order = draw.permutation(len(places))
        for first in range(0, len(places), size):
            yield [places[k] for k in order[first : first + size]]

    def prediction_places(self, size: int) -> Iterator[list[Place]]:
        places = [
            Place(n, 0, start)
            for n, versions in enumerate(self.versions)
            for start in window_starts(self.frames(versions[0]), self.length, self.hop)
        ]
        for first in range(0, len(places), size):
            yield places[first : first + size]

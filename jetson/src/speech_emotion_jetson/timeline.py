"""The emotion over time: windows' probabilities smoothed, and joined to stretches of one emotion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import numpy as np


class Smoother:
    """Exponential smoothing of probabilities that come at uneven times; it looks back alone, so that live speech and
    files get the same line.

    Args:
        half_life: seconds after which a window counts half; 0 smooths nothing.
    """

    def __init__(self, half_life: float):
        self._half_life = half_life
        self._time = 0.0
        self._value: np.ndarray | None = None

    def push(self, time: float, probabilities: np.ndarray) -> np.ndarray:
        """Takes the next probabilities (classes,) at a time in seconds; returns the smoothed ones, (classes,)."""
        if self._value is None or self._half_life <= 0:
            self._value = probabilities
        else:
            kept = 0.5 ** (max(0.0, time - self._time) / self._half_life)
            self._value = kept * self._value + (1 - kept) * probabilities
        self._time = time
        return self._value


@dataclass(frozen=True)
class Stretch:
    """A part of a recording with one emotion.

    Attributes:
        start: seconds; end: seconds.
        emotion: the most probable after smoothing.
        probability: its mean over the part.
    """

    start: float
    end: float
    emotion: str
    probability: float


def stretches(
    times: Sequence[tuple[float, float]], smoothed: Sequence[np.ndarray], labels: Sequence[str], seconds: float
) -> list[Stretch]:
    """Joins neighbouring windows of one emotion; together the stretches are the whole recording.

    Args:
        times: start and end of each window in seconds, in order.
        smoothed: probabilities (classes,) of each window.
        seconds: length of the recording.

    A window stands for the time that is nearer to its centre than to its neighbours' centres.
    """
    if not times:
        return []
    centres = [(start + end) / 2 for start, end in times]
    edges = [0.0, *((a + b) / 2 for a, b in zip(centres, centres[1:])), seconds]
    found = []
    first = 0
    winners = [int(row.argmax()) for row in smoothed]
    for place in range(1, len(winners) + 1):
        if place == len(winners) or winners[place] != winners[first]:
            mean = float(np.mean([row[winners[first]] for row in smoothed[first:place]]))
            found.append(Stretch(edges[first], edges[place], labels[winners[first]], mean))
            first = place
    return found

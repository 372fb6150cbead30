"""The emotion over time: smooths the probabilities of windows and joins windows to segments of one emotion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import numpy as np


class Smoother:
    """Exponential smoothing of probabilities at uneven times; it is causal, so that live speech and files get the same
    curve.

    Args:
        half_life: seconds after which a window counts half; 0 turns smoothing off.
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
class Segment:
    """A part of a recording with one emotion.

    Attributes:
        start: seconds from the start of the recording.
        end: seconds.
        emotion: the most probable one after smoothing.
        probability: its mean over the segment.
    """

    start: float
    end: float
    emotion: str
    probability: float


def segments(
    times: Sequence[tuple[float, float]], smoothed: Sequence[np.ndarray], labels: Sequence[str], seconds: float
) -> list[Segment]:
    """Joins neighbouring windows of one emotion to segments that together cover the whole recording.

    A window covers the time that is nearer to its centre than to the centres of its neighbours.

    Args:
        times: start and end of each window in seconds, in order.
        smoothed: probabilities (classes,) of each window.
        labels: emotions in the order of the classes.
        seconds: length of the recording.
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
            found.append(Segment(edges[first], edges[place], labels[winners[first]], mean))
            first = place
    return found

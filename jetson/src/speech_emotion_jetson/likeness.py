"""How far a waveform is from the speech that a model was trained on, whatever the emotion.

Stretches of the waveform are described by measures.py; their distance is the Mahalanobis distance from the training
stretches, as likeness.json describes them. A waveform's distance is the median over its stretches, in units of the
threshold that unheard speakers set: above 1 is unlike the training speech.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from speech_emotion_jetson.errors import UserError
from speech_emotion_jetson.measures import measures
from speech_emotion_jetson.streaming import Cutter

STRETCH_SECONDS = 2.0  # some syllables, so that loudness rises and falls several times
QUIET_DB = 30.0  # stretches this far below the loudest are pauses, not speech
SILENT_RMS = 10 ** (-70 / 20)  # of full scale; what stays below says nothing
FARTHEST = 1000.0  # distances end here, so that they stay numbers in every format


def loudness(samples: np.ndarray) -> float:
    """Root mean square about the mean of samples (n,), full scale 1."""
    centred = samples - samples.mean(dtype=np.float64)
    return float(np.sqrt(np.mean(centred**2)))


class Stretches:
    """Takes a waveform block by block and keeps the measures and the loudness of each stretch of it.

    Stretches are half a stretch apart, and one more ends with the waveform; a shorter waveform is repeated.

    Args:
        rate: Hz.
        kept: how many of the latest stretches count, for a waveform without end; None keeps all.
    """

    def __init__(self, rate: int, kept: int | None = None):
        self.rate = rate
        length = round(STRETCH_SECONDS * rate)
        self._cutter = Cutter(length, length // 2, 1)
        self._rows = deque(maxlen=kept)
        self._levels = deque(maxlen=kept)

    def push(self, block: np.ndarray) -> None:
        """Takes the next samples, (n,) float32."""
        for _, stretch in self._cutter.push(block):
            self._add(stretch)

    def finish(self) -> np.ndarray:
        """Ends the waveform: the measures (stretches, D) of what is not quiet beside the loudest; none if silent."""
        for _, stretch in self._cutter.finish():
            self._add(stretch)
        return self.loud()

    def loud(self) -> np.ndarray:
        """The measures so far, as `finish` gives them."""
        levels = np.array(self._levels)
        loud = levels >= max(SILENT_RMS, levels.max(initial=0.0) * 10 ** (-QUIET_DB / 20))
        return np.array([row for row, counts in zip(self._rows, loud) if counts])

    def __len__(self) -> int:
        return len(self._rows)

    def _add(self, stretch: np.ndarray) -> None:
        self._levels.append(loudness(stretch))
        self._rows.append(measures(stretch, self.rate) if self._levels[-1] >= SILENT_RMS else np.zeros(0))


@dataclass(frozen=True)
class Likeness:
    """The training speech as a mean and a spread of measures.

    Attributes:
        mean: (D,).
        whiten: (D, D); |whiten (x - mean)| is the Mahalanobis distance of x.
        threshold: of the median distance of a waveform's stretches; above 0.
    """

    mean: np.ndarray
    whiten: np.ndarray
    threshold: float

    def distance(self, rows: np.ndarray) -> float:
        """Distance of a waveform with these stretches (stretches, D), in units of the threshold; 0 to FARTHEST."""
        if not len(rows):
            return FARTHEST
        distances = np.linalg.norm((rows - self.mean) @ self.whiten.T, axis=1)
        return float(min(FARTHEST, np.median(distances) / self.threshold))

    def to_json(self) -> dict[str, Any]:
        """What `from_file` reads, as plain values."""
        return {"mean": self.mean.tolist(), "whiten": self.whiten.tolist(), "threshold": self.threshold}

    @classmethod
    def from_file(cls, path: Path) -> Likeness:
        """Reads likeness.json; raises UserError where it is damaged or cannot be read."""
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            mean, whiten = np.array(record["mean"], float), np.array(record["whiten"], float)
            if whiten.shape != (len(mean), len(mean)):
                raise ValueError("mean and whiten are of different sizes")
            return cls(mean, whiten, float(record["threshold"]))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UserError(f"{path}: is damaged ({error}): copy it again, or export again") from None

"""Out-of-distribution (OOD) detection: how far a waveform is from the speech that a model was trained on.

measures.py describes each segment of the waveform; out_of_distribution.json holds the mean and covariance of the
training segments. A waveform's score is the median Mahalanobis distance of its segments, divided by a threshold that
was set on held-out speakers: above 1 is out of distribution. The score does not depend on the emotion.
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

SEGMENT_SECONDS = 2.0  # some syllables, so that loudness rises and falls several times
QUIET_DB = 30.0  # segments this far below the loudest are pauses, not speech
SILENT_RMS = 10 ** (-70 / 20)  # of full scale; below this there is only silence
MAX_SCORE = 1000.0  # silence gets this score; a finite one, since JSON has no infinity


def loudness(samples: np.ndarray) -> float:
    """Root mean square of samples (n,), full scale 1, after their mean is subtracted."""
    centred = samples - samples.mean(dtype=np.float64)
    return float(np.sqrt(np.mean(centred**2)))


class Segments:
    """Cuts a waveform, given block by block, into segments, and keeps the measures and the loudness of each.

    Segments overlap by half, and the last one ends with the waveform; a waveform shorter than one is repeated.

    Args:
        rate: Hz.
        kept: keep only this many of the latest segments, for live speech; None keeps all.
    """

    def __init__(self, rate: int, kept: int | None = None):
        self.rate = rate
        length = round(SEGMENT_SECONDS * rate)
        self._cutter = Cutter(length, length // 2, 1)
        self._rows = deque(maxlen=kept)
        self._levels = deque(maxlen=kept)

    def push(self, block: np.ndarray) -> None:
        """Takes the next samples, (n,) float32."""
        for _, segment in self._cutter.push(block):
            self._add(segment)

    def finish(self) -> np.ndarray:
        """Ends the waveform; returns the measures (segments, D) without pauses, (0,) if all is silent."""
        for _, segment in self._cutter.finish():
            self._add(segment)
        return self.loud()

    def loud(self) -> np.ndarray:
        """The measures (segments, D) of the segments so far, without pauses: QUIET_DB below the loudest."""
        levels = np.array(self._levels)
        loud = levels >= max(SILENT_RMS, levels.max(initial=0.0) * 10 ** (-QUIET_DB / 20))
        return np.array([row for row, counts in zip(self._rows, loud) if counts])

    def __len__(self) -> int:
        return len(self._rows)

    def _add(self, segment: np.ndarray) -> None:
        self._levels.append(loudness(segment))
        self._rows.append(measures(segment, self.rate) if self._levels[-1] >= SILENT_RMS else np.zeros(0))


@dataclass(frozen=True)
class OodDetector:
    """Mean and covariance of the training speech's measures, and the threshold of the out-of-distribution score.

    Attributes:
        mean: (D,).
        whiten: (D, D); |whiten (x - mean)| is the Mahalanobis distance of x.
        threshold: the median Mahalanobis distance that has the score 1; above 0.
    """

    mean: np.ndarray
    whiten: np.ndarray
    threshold: float

    def score(self, rows: np.ndarray) -> float:
        """Out-of-distribution score of a waveform, 0 to MAX_SCORE; above 1 is out of distribution.

        Args:
            rows: measures (segments, D) of its segments; none if it is silent, which scores MAX_SCORE.
        """
        if not len(rows):
            return MAX_SCORE
        distances = np.linalg.norm((rows - self.mean) @ self.whiten.T, axis=1)
        return float(min(MAX_SCORE, np.median(distances) / self.threshold))

    def to_json(self) -> dict[str, Any]:
        """The content of out_of_distribution.json, which `from_file` reads."""
        return {"mean": self.mean.tolist(), "whiten": self.whiten.tolist(), "threshold": self.threshold}

    @classmethod
    def from_file(cls, path: Path) -> OodDetector:
        """Reads out_of_distribution.json; raises UserError if it is damaged or cannot be read."""
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            mean, whiten = np.array(record["mean"], float), np.array(record["whiten"], float)
            if whiten.shape != (len(mean), len(mean)):
                raise ValueError("mean and whiten are of different sizes")
            return cls(mean, whiten, float(record["threshold"]))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UserError(f"{path}: is damaged ({error}): copy it again, or export again") from None

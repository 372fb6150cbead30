"""How far a waveform is from the speech that a model was trained on, whatever the emotion.

Stretches of the waveform are described by measures.py; their distance is the Mahalanobis distance from the training
stretches. A waveform's distance is the median over its stretches, in units of the threshold that unheard speakers set
(likeness_fitting.py): above 1 is unlike the training speech.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from speech_emotion.errors import UserError
from speech_emotion.inference.measures import measures
from speech_emotion.inference.streaming import Cutter

STRETCH_SECONDS = 2.0  # some syllables, so that loudness rises and falls several times
QUIET_DB = 30.0  # stretches this far below the loudest are pauses, not speech
SILENT_RMS = 10 ** (-70 / 20)  # of full scale; what stays below says nothing
FARTHEST = 1000.0  # distances end here, so that they stay numbers in every format


class Stretches:
    """Takes a waveform block by block and keeps the measures and the loudness of each stretch of it.

    Stretches are half a stretch apart, and one more ends with the waveform; a shorter waveform is repeated.
    """

    def __init__(self, rate: int):
        self.rate = rate
        length = round(STRETCH_SECONDS * rate)
        self._cutter = Cutter(length, length // 2, 1)
        self._rows: list[np.ndarray] = []
        self._levels: list[float] = []

    def push(self, block: np.ndarray) -> None:
        """Takes the next samples, (n,) float32."""
        for _, stretch in self._cutter.push(block):
            self._add(stretch)

    def finish(self) -> np.ndarray:
        """Ends the waveform: the measures (stretches, D) of what is not quiet beside the loudest; none if silent."""
        for _, stretch in self._cutter.finish():
            self._add(stretch)
        levels = np.array(self._levels)
        loud = levels >= max(SILENT_RMS, levels.max(initial=0.0) * 10 ** (-QUIET_DB / 20))
        return np.array([row for row, counts in zip(self._rows, loud, strict=True) if counts])

    def _add(self, stretch: np.ndarray) -> None:
        centred = stretch - stretch.mean(dtype=np.float64)
        self._levels.append(float(np.sqrt(np.mean(centred**2))))
        self._rows.append(measures(stretch, self.rate) if self._levels[-1] >= SILENT_RMS else np.zeros(0))


def stretches(samples: np.ndarray, rate: int) -> np.ndarray:
    """The measures of a whole waveform (n,) at `rate` Hz, as `Stretches` gives them."""
    taken = Stretches(rate)
    taken.push(samples)
    return taken.finish()


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

    def to_json(self) -> dict[str, object]:
        return {"mean": self.mean.tolist(), "whiten": self.whiten.tolist(), "threshold": self.threshold}

    @classmethod
    def from_file(cls, path: Path) -> "Likeness":
        """Raises UserError where the file is damaged or cannot be read."""
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            mean, whiten = np.array(record["mean"], float), np.array(record["whiten"], float)
            if whiten.shape != (len(mean), len(mean)):
                raise ValueError("mean and whiten are of different sizes")
            return cls(mean, whiten, float(record["threshold"]))
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}: mend its permissions") from None
        except (ValueError, TypeError, KeyError) as error:
            raise UserError(f"{path}: is damaged ({error}): run the export step again (dvc repro)") from None

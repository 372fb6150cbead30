"""bundle.json as typed values: what a model expects and what its outputs mean."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speech_emotion.errors import UserError
from speech_emotion.export.files import BUNDLE
from speech_emotion.store.hashing import sha256_file


@dataclass(frozen=True)
class Bundle:
    """What an application knows of an exported model; export/bundle.py says how each value comes about.

    Attributes:
        labels: emotions in the order of the graph's output.
        sample_rate: Hz of the waveform that the graph reads.
        level: "none", "peak" or "rms": what of a waveform is brought to `level_dbfs`.
        window_samples: samples of one window.
        hop_samples: samples between the starts of neighbouring windows.
        frame_hop_samples: samples between frames; the last window ends with the last whole frame.
        least_samples: a shorter waveform is repeated to this length, as in training; one window in older exports.
        temperature: divides the logarithms of an utterance's probabilities (evaluation/calibration.py).
        sha256: file name -> hex sha256 of the files that belong together.
    """

    labels: tuple[str, ...]
    input: str
    output: str
    sample_rate: int
    level: str
    level_dbfs: float
    window_samples: int
    hop_samples: int
    frame_hop_samples: int
    least_samples: int
    temperature: float
    sha256: dict[str, str]


def read_bundle(folder: Path) -> Bundle:
    """Reads bundle.json of a folder that the export step wrote.

    Raises:
        UserError: it is absent, damaged, or lacks a value.
    """
    path = folder / BUNDLE
    try:
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        level = raw["level"]
        return Bundle(
            labels=tuple(raw["labels"]),
            input=raw["input"],
            output=raw["output"],
            sample_rate=int(raw["sample_rate"]),
            level=level["kind"],
            level_dbfs=float(level.get("dbfs", 0.0)),
            window_samples=int(raw["window_samples"]),
            hop_samples=int(raw["hop_samples"]),
            frame_hop_samples=int(raw["frame_hop_samples"]),
            least_samples=int(raw.get("least_samples", raw["window_samples"])),
            temperature=float(raw["temperature"]),
            sha256=dict(raw["sha256"]),
        )
    except FileNotFoundError:
        raise UserError(f"{path}: is not there: run the export step (dvc repro), or name another model") from None
    except OSError as error:
        raise UserError(
            f"{path}: {error.strerror}: name the folder that the export step wrote, and mend its permissions"
        ) from None
    except KeyError as error:
        raise UserError(f"{path}: {error.args[0]}: is missing: run the export step again (dvc repro)") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: is damaged ({error}): run the export step again (dvc repro)") from None


def check_file(folder: Path, bundle: Bundle, name: str) -> Path:
    """The path of a file of the folder, which must be the one that the bundle was written with.

    Raises:
        UserError: it is absent or another.
    """
    path = folder / name
    if not path.is_file():
        raise UserError(f"{path}: is not there: copy the whole folder that the export step wrote")
    if sha256_file(path) != bundle.sha256.get(name):
        raise UserError(f"{path}: is not the file that {BUNDLE} describes: copy the whole folder of one export")
    return path

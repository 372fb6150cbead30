"""bundle.json of the folder that the export step wrote: the device runtime's values, and the sha256 of the files."""

import json
from dataclasses import dataclass
from pathlib import Path

from speech_emotion.errors import UserError
from speech_emotion.export.files import BUNDLE, LIKENESS
from speech_emotion.store.hashing import sha256_file
from speech_emotion_jetson.bundle import Interface, Values

CURE = "run the export step again (dvc repro)"


@dataclass(frozen=True)
class Export(Interface):
    """What an application knows of an exported model; export/bundle.py says how each value is found.

    Attributes:
        sha256: file name -> hex sha256 of the files that belong together.
    """

    sha256: dict[str, str]


def read_bundle(folder: Path) -> Export:
    """Reads bundle.json of a folder that the export step wrote.

    Raises:
        UserError: it is absent or damaged, or a value is missing or cannot be.
    """
    path = folder / BUNDLE
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: is not there: run the export step (dvc repro), or name another model") from None
    except OSError as error:
        raise UserError(
            f"{path}: {error.strerror}: name the folder that the export step wrote, and check its permissions"
        ) from None
    except ValueError as error:
        raise UserError(f"{path}: is damaged ({error}): {CURE}") from None
    if not isinstance(raw, dict):
        raise UserError(f"{path}: is damaged (no JSON object): {CURE}")
    values = Values(path, raw, CURE)
    return Export(**values.interface(), likeness=folder / LIKENESS, sha256=values.take("sha256", dict))


def check_file(bundle: Export, name: str) -> Path:
    """The path of a file of the folder, which must be the one that the bundle was written with.

    Raises:
        UserError: it is absent or another.
    """
    path = bundle.folder / name
    if not path.is_file():
        raise UserError(f"{path}: is not there: copy the whole folder that the export step wrote")
    if sha256_file(path) != bundle.sha256.get(name):
        raise UserError(f"{path}: is not the file that {BUNDLE} describes: copy the whole folder of one export")
    return path

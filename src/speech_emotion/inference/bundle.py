"""Reads bundle.json of the export step's folder: the values that the device's runtime needs, and the files' sha256."""

import json
from dataclasses import dataclass
from pathlib import Path

from speech_emotion.errors import UserError
from speech_emotion.export.files import BUNDLE, OUT_OF_DISTRIBUTION
from speech_emotion.store.hashing import sha256_file
from speech_emotion_jetson.bundle import Interface, Values

CURE = "run the export step again (dvc repro)"


@dataclass(frozen=True)
class Export(Interface):
    """Description of an exported model; export/bundle.py says where each value comes from.

    Attributes:
        sha256: file name -> hex sha256 of the files of one export.
    """

    sha256: dict[str, str]


def read_bundle(folder: Path) -> Export:
    """Reads bundle.json.

    Args:
        folder: that the export step wrote, or a copy of it.

    Raises:
        UserError: bundle.json is absent or damaged, or a value is missing or invalid.
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
    return Export(
        **values.interface(), out_of_distribution=folder / OUT_OF_DISTRIBUTION, sha256=values.take("sha256", dict)
    )


def check_file(bundle: Export, name: str) -> Path:
    """The path of a file of the export, after comparing its sha256 with bundle.json.

    Args:
        bundle: of the export.
        name: of the file in its folder.

    Raises:
        UserError: the file is absent, as in exports by older versions, or from another export.
    """
    path = bundle.folder / name
    if not path.is_file():
        raise UserError(
            f"{path}: is not there: copy the export step's whole folder, or export again (dvc repro) if it is old"
        )
    if sha256_file(path) != bundle.sha256.get(name):
        raise UserError(f"{path}: is not the file that {BUNDLE} describes: copy the whole folder of one export")
    return path

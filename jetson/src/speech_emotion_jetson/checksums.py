"""checksums.sha256 lists every file of a bundle, as `sha256sum --check` reads it; it detects damage, not tampering."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Container

from speech_emotion_jetson.errors import UserError

CHECKSUMS = "checksums.sha256"
MAX_BYTES = 1 << 20
_LINE = re.compile(r"(?P<sha256>[0-9a-f]{64})  (?P<name>[^\\\r\n]+)")


def read_checksums(folder: Path) -> dict[str, str]:
    """Reads checksums.sha256: file name, with forward slashes -> hex sha256.

    Args:
        folder: of the bundle.

    Raises:
        UserError: the file is absent, damaged, or names files outside the folder.
    """
    path = folder / CHECKSUMS
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path}: is larger than {MAX_BYTES} bytes: {CURE}")
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise UserError(f"{path}: is not there: {CURE}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}): {CURE}") from None
    found = {}
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        if match is None or not is_inside(match["name"]) or match["name"] in found:
            raise UserError(f"{path}: line {number}: is not the checksum of a file of the bundle: {CURE}")
        found[match["name"]] = match["sha256"]
    return found


def verify(folder: Path) -> frozenset[str]:
    """Verifies the files of a bundle and returns their names.

    Args:
        folder: of the bundle.

    Raises:
        UserError: a file is absent, a link that leads out of the folder, or differs from its checksum.
    """
    checksums = read_checksums(folder)
    root = folder.resolve()
    for name, expected in checksums.items():
        path = folder / name
        if not path.is_file():
            raise UserError(f"{path}: is not there, but {CHECKSUMS} names it: {CURE}")
        if root not in path.resolve().parents:
            raise UserError(f"{path}: leads out of the bundle: {CURE}")
        if sha256_file(path) != expected:
            raise UserError(f"{path}: is damaged or changed (its sha256 differs from {CHECKSUMS}): {CURE}")
    return frozenset(checksums)


def refuse_others(folder: Path, names: Container[str]) -> None:
    """Checks that a folder holds no files but these.

    Args:
        folder: of the bundle.
        names: with forward slashes; one that ends with a slash allows everything in that folder.

    Raises:
        UserError: another file, or a link to a folder.
    """
    for place, subfolders, files in os.walk(folder):
        inner = Path(place).relative_to(folder)
        links = [name for name in subfolders if (Path(place) / name).is_symlink()]
        subfolders[:] = [name for name in subfolders if f"{(inner / name).as_posix()}/" not in names]
        for name in sorted(files + [link for link in links if link in subfolders]):
            if (inner / name).as_posix() not in names:
                raise UserError(
                    f"{Path(place) / name}: is not among the checksums: get the bundle "
                    "from its maker, or move your own files out of the folder"
                )


def sha256_file(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def is_inside(name: str) -> bool:
    """Whether a relative name, with forward slashes, stays within the folder that it is relative to."""
    parts = name.split("/")
    return not ({"", ".", ".."} & set(parts)) and "\\" not in name and ":" not in parts[0]


CURE = "copy the whole bundle again"

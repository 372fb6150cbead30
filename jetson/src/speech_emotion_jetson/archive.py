"""Unpacks a bundle's archive safely: nothing is written outside the folder, and its size is limited."""

from __future__ import annotations

import shutil
import tarfile
import zlib
from pathlib import Path

from speech_emotion_jetson.checksums import is_inside
from speech_emotion_jetson.errors import UserError

MAX_MEMBERS = 1000
MAX_BYTES = 2 << 30  # of all files together


def unpack(archive: Path, folder: Path) -> Path:
    """Unpacks a bundle.

    Args:
        archive: a .tar.gz.
        folder: an empty folder to unpack to.

    Returns:
        The bundle's folder: the only one at the archive's top level.

    Raises:
        UserError: the archive is absent, damaged or too large, or holds anything but files and folders in one folder.
    """
    cure = "copy the archive again"
    total, tops = 0, set()
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for count, member in enumerate(tar):
                total += member.size
                if count >= MAX_MEMBERS or total > MAX_BYTES:
                    raise UserError(f"{archive}: is larger than a bundle can be: get it from its maker")
                name = member.name.rstrip("/")
                if not is_inside(name) or not (member.isfile() or member.isdir()):
                    raise UserError(f"{archive}: {member.name!r} does not belong in a bundle: get it from its maker")
                tops.add(name.split("/")[0])
                target = folder / name
                if member.isdir():
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                source = tar.extractfile(member)
                with source, open(target, "xb") as file:
                    shutil.copyfileobj(source, file)
                target.chmod(0o755 if member.mode & 0o100 else 0o644)
    except FileNotFoundError:
        raise UserError(f"{archive}: is not there: name a bundle's folder or its .tar.gz") from None
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise UserError(f"{archive}: cannot be unpacked ({error}): {cure}") from None
    if len(tops) != 1 or not (folder / next(iter(tops))).is_dir():
        raise UserError(f"{archive}: must hold one folder, the bundle: {cure}")
    return folder / next(iter(tops))

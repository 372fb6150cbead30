"""The files below a corpus's folder, as its reader sees them."""

import os
from pathlib import Path

from speech_emotion.corpora.table import Rejected
from speech_emotion.errors import UserError
from speech_emotion_jetson.reading import is_audio


def files_below(root: Path) -> list[str]:
    """Paths of all files below `root`, relative, with forward slashes, sorted; linked folders count as files.

    Hidden files and __MACOSX, which systems and archivers leave behind, are left out.

    Raises:
        UserError: a folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise UserError(f"{error.filename}: {error.strerror}: mend its permissions")

    found = []
    for folder, subfolders, names in os.walk(root, onerror=refuse):
        linked = [name for name in subfolders if os.path.islink(os.path.join(folder, name))]
        subfolders[:] = [
            name for name in subfolders if name not in linked and name != "__MACOSX" and not name.startswith(".")
        ]
        below = Path(folder).relative_to(root)
        found += [(below / name).as_posix() for name in (*names, *linked) if not name.startswith(".")]
    return sorted(found)


def passes_through_link(root: Path, path: str) -> bool:
    """Whether the file, or a folder between it and `root`, is a symbolic link."""
    place = root
    for part in Path(path).parts:
        place = place / part
        if place.is_symlink():
            return True
    return False


def leaves(path: str) -> bool:
    """Whether a relative path as written leads out of the folder it is relative to: absolute, or with `..`
    parts."""
    parts = path.replace("\\", "/").split("/")
    return path.startswith(("/", "\\")) or ".." in parts or parts[0].endswith(":")


def unexpected(root: Path, path: str, scheme: str) -> Rejected:
    """Why a file below `root` that the corpus's scheme does not know is rejected: outside, name or stray."""
    if passes_through_link(root, path):
        return outside(path)
    if is_audio(path):
        return Rejected(path, "name", f"breaks the corpus's scheme {scheme}")
    return Rejected(path, "stray", f"is neither an audio file nor part of the corpus's scheme {scheme}")


def outside(path: str) -> Rejected:
    """A file that does not lie in the corpus's folder itself."""
    if leaves(path):
        return Rejected(path, "outside", "leads out of the corpus's folder: give a path below it")
    return Rejected(path, "outside", "is reached through a symbolic link: put the file itself there")

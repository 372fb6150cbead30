"""Lists the files below a corpus's folder."""

import os
from pathlib import Path

from speech_emotion.corpora.table import Rejected
from speech_emotion.errors import UserError
from speech_emotion_jetson.reading import is_audio


def files_below(root: Path) -> list[str]:
    """Returns the sorted relative paths of all files below `root`, with forward slashes; linked folders count as files.

    Hidden files and __MACOSX, which operating systems and archivers leave behind, are skipped.

    Raises:
        UserError: a folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise UserError(f"{error.filename}: {error.strerror}: fix its permissions")

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
    """Whether a path, as written, leads out of the folder it is relative to: absolute, or with `..` parts."""
    parts = path.replace("\\", "/").split("/")
    return path.startswith(("/", "\\")) or ".." in parts or parts[0].endswith(":")


def unexpected(root: Path, path: str, scheme: str) -> Rejected:
    """Rejects a file below `root` that does not follow the corpus's scheme; reason: outside, name or stray."""
    if passes_through_link(root, path):
        return outside(path)
    if is_audio(path):
        return Rejected(path, "name", f"does not follow the corpus's scheme {scheme}")
    return Rejected(path, "stray", f"is neither an audio file nor a file of the corpus's scheme {scheme}")


def outside(path: str) -> Rejected:
    """Rejects a file that is not inside the corpus's folder."""
    if leaves(path):
        return Rejected(path, "outside", "leads out of the corpus's folder: use a path below it")
    return Rejected(path, "outside", "is reached through a symbolic link: put the file itself there")

"""Outputs that appear completely or not at all."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def atomic_file(path: Path | str) -> Iterator[Path]:
    """Yields a temporary path beside `path`, which replaces `path` if the block ends without an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)  # mkstemp makes files private
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Writes `text` as UTF-8, completely or not at all."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def atomic_folders(*folders: Path | str) -> Iterator[list[Path]]:
    """Yields one empty temporary folder for each of `folders`; at the end they replace the folders.

    An error inside the block leaves the present folders unchanged. Replacing is a rename within one file system; a kill
    between two renames leaves each folder complete, old or new, or absent, with a hidden one beside it.
    """
    finals = [Path(folder) for folder in folders]
    temporaries = []
    try:
        for final in finals:
            final.parent.mkdir(parents=True, exist_ok=True)
            name = tempfile.mkdtemp(dir=final.parent, prefix=f".{final.name}.")
            temporaries.append(Path(name))
            temporaries[-1].chmod(0o755)
        yield temporaries
        for temporary, final in zip(temporaries, finals, strict=True):
            _replace(temporary, final)
    finally:
        for temporary in temporaries:
            shutil.rmtree(temporary, ignore_errors=True)


def _replace(temporary: Path, final: Path) -> None:
    """Moves the present folder away first: while it is removed file by file, it must not look like a complete one."""
    if not final.is_dir() or final.is_symlink():
        final.unlink(missing_ok=True)
        os.replace(temporary, final)
        return
    aside = tempfile.mkdtemp(dir=final.parent, prefix=f".{final.name}.")
    os.replace(final, aside)
    try:
        os.replace(temporary, final)
    except BaseException:
        os.replace(aside, final)
        raise
    shutil.rmtree(aside)

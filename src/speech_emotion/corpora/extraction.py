"""Unpacks archives safely: no file outside the target folder, and limits on the unpacked size."""

import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from speech_emotion.corpora.walking import leaves
from speech_emotion.errors import UserError
from speech_emotion.recorder import Recorder

BLOCK = 2**20  # bytes


@dataclass(frozen=True)
class Limits:
    """Limits on an archive; the largest corpus, IEMOCAP with its videos, stays below them.

    Attributes:
        members: number of files and folders.
        bytes: unpacked size of all files.
        ratio: unpacked over packed bytes; checked once more than `free_bytes` are unpacked.
        free_bytes: bytes that may be unpacked at any ratio.
    """

    members: int = 500_000
    bytes: int = 64 * 2**30
    ratio: float = 100.0
    free_bytes: int = 64 * 2**20


LIMITS = Limits()


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    folder: bool
    refused: str  # why it must not be unpacked; empty if it is allowed
    open: Callable[[], IO[bytes]]


def is_archive(path: Path) -> bool:
    """Whether the file's content is a zip or tar archive (plain, gzip, bzip2, xz)."""
    return path.is_file() and (zipfile.is_zipfile(path) or tarfile.is_tarfile(path))


def extract(
    archive: Path,
    folder: Path,
    recorder: Recorder,
    wanted: Callable[[str], bool] = lambda name: True,
    limits: Limits = LIMITS,
) -> list[str]:
    """Unpacks the wanted files of a zip or tar archive into `folder`, which is created if needed.

    Every member is checked, wanted or not. Permissions and times are not restored.

    Args:
        archive: the archive.
        folder: where to unpack it.
        recorder: shows progress.
        wanted: whether to unpack a file, given its name in the archive with forward slashes.
        limits: bounds on the archive's contents.

    Returns:
        The names of the unpacked files.

    Raises:
        UserError: the archive does not exist, is damaged or encrypted, exceeds the limits, or has a member that is a
            link or a device, would be written outside `folder` (absolute path, `..`) or occurs twice. Files unpacked
            before the error stay in `folder`.
    """
    if not archive.is_file():
        raise UserError(f"{archive}: no such archive")
    if zipfile.is_zipfile(archive):
        opened, members = zipfile.ZipFile, _zip_members
    elif tarfile.is_tarfile(archive):
        opened, members = tarfile.open, _tar_members
    else:
        raise UserError(
            f"{archive}: is not a zip or tar archive, or is damaged at its {_end(archive)}: download it again"
        )
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with opened(archive) as source:
            return _unpack(archive, members(source), folder, recorder, wanted, limits)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError) as error:
        raise UserError(f"{archive}: is damaged ({error}): download it again") from None
    except OSError as error:
        if error.errno is None:  # how gzip and bz2 report bad data
            raise UserError(f"{archive}: is damaged ({error}): download it again") from None
        raise UserError(f"{archive}: cannot be unpacked into {folder}: {error.strerror}") from None


def _end(archive: Path) -> str:
    with open(archive, "rb") as file:
        return "end" if file.read(4) == b"PK\x03\x04" else "beginning"


def _zip_members(source: zipfile.ZipFile) -> Iterator[_Member]:
    for info in source.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        refused = ""
        if kind == stat.S_IFLNK:
            refused = "is a link"
        elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            refused = "is neither a file nor a folder"
        elif info.flag_bits & 1:
            refused = "is encrypted"
        name = info.filename.replace("\\", "/")
        yield _Member(name, info.file_size, info.is_dir(), refused, lambda info=info: source.open(info))


def _tar_members(source: tarfile.TarFile) -> Iterator[_Member]:
    for info in source:
        refused = ""
        if info.issym() or info.islnk():
            refused = "is a link"
        elif not (info.isreg() or info.isdir()):
            refused = "is neither a file nor a folder"
        yield _Member(info.name, info.size, info.isdir(), refused, lambda info=info: source.extractfile(info))


def _unpack(
    archive: Path,
    members: Iterator[_Member],
    folder: Path,
    recorder: Recorder,
    wanted: Callable[[str], bool],
    limits: Limits,
) -> list[str]:
    packed = max(1, os.path.getsize(archive))
    names: list[str] = []
    declared = 0
    for number, member in enumerate(recorder.progress(members, f"unpack {archive.name}"), start=1):
        refused = member.refused or ("is outside the archive's folder" if leaves(member.name) else "")
        if refused:
            raise UserError(f"{archive}: member {member.name!r} {refused}: this archive is not used")
        if number > limits.members:
            raise UserError(f"{archive}: holds more than {limits.members} members: this is not a corpus")
        declared += member.size
        if declared > limits.bytes:
            raise UserError(f"{archive}: holds more than {limits.bytes / 2**30:.3g} GiB: this is not a corpus")
        if declared > limits.free_bytes and declared / packed > limits.ratio:
            raise UserError(f"{archive}: unpacks to more than {limits.ratio:g} times its size: this is not a corpus")
        if not member.folder and wanted(member.name):
            _write(archive, member, folder / member.name)
            names.append(member.name)
    return names


def _write(archive: Path, member: _Member, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target, "xb") as file, member.open() as packed:
            shutil.copyfileobj(packed, file, BLOCK)
    except (FileExistsError, NotADirectoryError):
        raise UserError(f"{archive}: member {member.name!r} occurs twice: download the archive again") from None

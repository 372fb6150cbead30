"""Builds a corpus's folder beside data/, from archives or a folder, and then moves it into place in one step."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from speech_emotion.corpora.corpus import Corpus
from speech_emotion.corpora.download import download
from speech_emotion.corpora.extraction import extract, is_archive
from speech_emotion.corpora.walking import files_below
from speech_emotion.errors import UserError
from speech_emotion.recorder import Recorder
from speech_emotion.store.hashing import sha256_file

DOWNLOADS = ".downloads"  # beside data/: partial downloads and corpora being built, never versioned
REPLACED = "replaced"


@contextlib.contextmanager
def workplace(data: Path, corpus: str) -> Iterator[Path]:
    """Provides an empty folder on data's file system, locked for this process; leftovers of a killed run are removed.

    Args:
        data: usually data/.
        corpus: name of the corpus.

    Raises:
        UserError: another process is building the same corpus, or the file system reports an error.
    """
    downloads = data.parent / DOWNLOADS
    downloads.mkdir(parents=True, exist_ok=True)
    data.mkdir(parents=True, exist_ok=True)
    with open(downloads / f"{corpus}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"{data / corpus}: another make data is running: wait until it has finished") from None
        work = downloads / f"{corpus}.laying-out"
        if (work / REPLACED).exists() and not (data / corpus).exists():
            os.replace(work / REPLACED, data / corpus)  # the process was killed between the two renames of take_place
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        try:
            yield work
        except OSError as error:
            place = error.filename or data
            cause = error.strerror or error
            raise UserError(f"{place}: {cause}: free disk space or fix the permissions, then run it again") from None
        finally:
            shutil.rmtree(work, ignore_errors=True)


def downloaded(corpus: Corpus, parts: tuple[str, ...], work: Path, recorder: Recorder) -> Path:
    """Downloads and unpacks parts of a corpus; returns a folder that holds them at some depth.

    Args:
        corpus: a corpus with archives.
        parts: names of archives to download.
        work: the folder from `workplace`.
        recorder: shows progress.

    Raises:
        UserError: a download fails, an archive is damaged, or the disk is full.
    """
    for part in parts:
        address = corpus.archives[part]
        archive = _archive(work, address)
        if not archive.is_file():
            recorder.note(f"{corpus.name}: downloading {address}")
            download(address, archive, recorder)
        try:
            extract(archive, work / "unpacked" / part, recorder, lambda name: corpus.place(name) is not None)
        except UserError:
            archive.unlink()  # the next attempt downloads it again
            raise
    return work / "unpacked"


def unpacked(corpus: Corpus, source: Path, work: Path, recorder: Recorder) -> Path:
    """Unpacks the user's archive; returns a folder that holds the corpus at some depth.

    Args:
        corpus: the corpus in the archive.
        source: the archive.
        work: the folder from `workplace`.
        recorder: shows progress.

    Raises:
        UserError: `source` is not an archive or is damaged, or the disk is full.
    """
    extract(source, work / "unpacked", recorder, lambda name: corpus.place(name) is not None)
    return work / "unpacked"


def forget_archives(corpus: Corpus, work: Path) -> None:
    """Deletes the downloaded archives, which are kept until their files are in place."""
    for address in corpus.archives.values():
        _archive(work, address).unlink(missing_ok=True)


def _archive(work: Path, address: str) -> Path:
    return work.parent / PurePosixPath(address).name


def lay_out(corpus: Corpus, chosen: dict[str, Path], staged: Path, lasting: Path | None, recorder: Recorder) -> int:
    """Copies the corpus's files into `staged`, in addition to those that exist already.

    Args:
        corpus: the corpus.
        chosen: path below data/<corpus> -> file, from chosen_files.
        staged: a folder that does not exist yet.
        lasting: data/<corpus> if its files are kept, otherwise None.
        recorder: shows progress.

    Returns:
        The number of new files.

    Raises:
        UserError: files have to be kept, and the corpus's published checksums are not known.
    """
    if lasting is not None:
        if corpus.checksums is None:
            raise UserError(f"{lasting}: already exists: move it away to replace {corpus.name}")
        there = set(files_below(lasting))
        chosen = {place: path for place, path in chosen.items() if place not in there}
        if not chosen:
            return 0
        shutil.copytree(lasting, staged)
    staged.mkdir(exist_ok=True)
    for place, path in recorder.progress(sorted(chosen.items()), f"copy {corpus.name}", len(chosen)):
        (staged / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, staged / place)
    return len(chosen)


def chosen_files(corpus: Corpus, incoming: Path, shown: str) -> dict[str, Path]:
    """Returns path below data/<corpus> -> file; of identical candidates the least deep. Links are not followed.

    Args:
        corpus: the corpus.
        incoming: folder that holds the corpus at some depth.
        shown: its name in messages.

    Raises:
        UserError: it holds no file of the corpus, or two different files for one path.
    """
    files = [path for path in files_below(incoming) if not (incoming / path).is_symlink()]
    top = f"{incoming.resolve().name}/"  # the user may give a folder of the scheme itself, e.g. Actor_01
    placing = corpus.arrange(files) if corpus.arrange else lambda path: corpus.place(top + path)
    chosen: dict[str, Path] = {}
    for path in sorted(files, key=lambda path: (path.count("/"), path)):
        place = placing(path)
        if place is None:
            continue
        other = chosen.setdefault(place, incoming / path)
        if other != incoming / path and sha256_file(other) != sha256_file(incoming / path):
            both = f"{other.relative_to(incoming)} and {path}"
            raise UserError(f"{shown}: {both} are both {corpus.name}/{place} and differ: give the right folder")
    if not chosen:
        text = f"{shown}: holds no files of {corpus.name}: must hold {corpus.scheme} at some depth"
        archives = [name for name in sorted(os.listdir(incoming)) if is_archive(incoming / name)]
        raise UserError(f"{text}; if {archives[0]} holds it, give that archive as FROM" if archives else text)
    return chosen


def take_place(staged: Path, final: Path, work: Path) -> None:
    """Moves `staged` to `final`; existing files are moved into `work`.

    Raises:
        UserError: `final` is a link.
    """
    if final.is_symlink():
        raise UserError(f"{final}: is a link: remove it, or put the corpus into the folder it points to")
    if final.exists():
        os.replace(final, work / REPLACED)
    os.replace(staged, final)

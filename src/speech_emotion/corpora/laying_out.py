"""The folder of a corpus laid out beside data/, from archives or a folder, and then put in its place in one move."""

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

DOWNLOADS = ".downloads"  # beside data/: half-done downloads and what is being laid out, never versioned
REPLACED = "replaced"


@contextlib.contextmanager
def workplace(data: Path, corpus: str) -> Iterator[Path]:
    """An empty folder on data's file system that no other process uses; what a killed run left there is removed.

    Args:
        data: usually data/.
        corpus: its name.

    Raises:
        UserError: another process lays the same corpus out, or the file system refuses.
    """
    downloads = data.parent / DOWNLOADS
    downloads.mkdir(parents=True, exist_ok=True)
    data.mkdir(parents=True, exist_ok=True)
    with open(downloads / f"{corpus}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"{data / corpus}: another make data works on it: wait for its end") from None
        work = downloads / f"{corpus}.laying-out"
        if (work / REPLACED).exists() and not (data / corpus).exists():
            os.replace(work / REPLACED, data / corpus)  # a kill came between the two renames of take_place
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        try:
            yield work
        except OSError as error:
            place = error.filename or data
            cause = error.strerror or error
            raise UserError(f"{place}: {cause}: make room or mend permissions, then run it again") from None
        finally:
            shutil.rmtree(work, ignore_errors=True)


def downloaded(corpus: Corpus, parts: tuple[str, ...], work: Path, recorder: Recorder) -> Path:
    """A folder that holds these parts of the corpus at some depth, from its publisher's archives.

    Raises:
        UserError: a failed download, a damaged archive, no space.
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
            archive.unlink()  # the next attempt fetches it anew
            raise
    return work / "unpacked"


def unpacked(corpus: Corpus, source: Path, work: Path, recorder: Recorder) -> Path:
    """A folder that holds the corpus at some depth, from the user's archive.

    Raises:
        UserError: `source` is no archive, or a damaged one; no space.
    """
    extract(source, work / "unpacked", recorder, lambda name: corpus.place(name) is not None)
    return work / "unpacked"


def forget_archives(corpus: Corpus, work: Path) -> None:
    """Removes the publisher's archives, which are kept until their files are in place."""
    for address in corpus.archives.values():
        _archive(work, address).unlink(missing_ok=True)


def _archive(work: Path, address: str) -> Path:
    return work.parent / PurePosixPath(address).name


def lay_out(corpus: Corpus, chosen: dict[str, Path], staged: Path, lasting: Path | None, recorder: Recorder) -> int:
    """Copies what belongs to the corpus into `staged`, after what is there already.

    Args:
        chosen: place below data/<corpus> -> file, as chosen_files gives them.
        staged: folder that does not exist yet.
        lasting: data/<corpus> where its files are to be kept, or None.
        recorder: shows progress.

    Returns:
        How many files are new.

    Raises:
        UserError: there are files to be kept of a corpus whose published sums are not known.
    """
    if lasting is not None:
        if corpus.checksums is None:
            raise UserError(f"{lasting}: is there already: move it away to lay {corpus.name} out anew")
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
    """Place below data/<corpus> -> file; of several equal ones for one place the least deep. Links are not followed.

    Args:
        incoming: folder that holds the corpus at some depth.
        shown: what messages call it.

    Raises:
        UserError: nothing of the corpus is there, or two files for one place differ.
    """
    files = [path for path in files_below(incoming) if not (incoming / path).is_symlink()]
    top = f"{incoming.resolve().name}/"  # a folder of the scheme itself may have been given, e.g. Actor_01
    placing = corpus.arrange(files) if corpus.arrange else lambda path: corpus.place(top + path)
    chosen: dict[str, Path] = {}
    for path in sorted(files, key=lambda path: (path.count("/"), path)):
        place = placing(path)
        if place is None:
            continue
        other = chosen.setdefault(place, incoming / path)
        if other != incoming / path and sha256_file(other) != sha256_file(incoming / path):
            both = f"{other.relative_to(incoming)} and {path}"
            raise UserError(f"{shown}: {both} are both {corpus.name}/{place} and differ: name the right folder")
    if not chosen:
        text = f"{shown}: holds nothing of {corpus.name}: must hold {corpus.scheme} at some depth"
        archives = [name for name in sorted(os.listdir(incoming)) if is_archive(incoming / name)]
        raise UserError(f"{text}; if {archives[0]} holds it, name that with FROM" if archives else text)
    return chosen


def take_place(staged: Path, final: Path, work: Path) -> None:
    """Moves `staged` to `final`; what was there before goes into `work`.

    Raises:
        UserError: `final` is a link.
    """
    if final.is_symlink():
        raise UserError(f"{final}: is a link: remove it, or lay the corpus out where it leads")
    if final.exists():
        os.replace(final, work / REPLACED)
    os.replace(staged, final)

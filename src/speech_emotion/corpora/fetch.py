"""Corpora brought into data/: made, downloaded or taken from where the user has them; verified, whole or not
at all."""

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from speech_emotion.corpora import casia, demo, emodb, iemocap, own, ravdess, synthesis
from speech_emotion.corpora.download import download
from speech_emotion.corpora.extraction import extract, is_archive
from speech_emotion.corpora.readers import MODULES, reader_of
from speech_emotion.corpora.table import Labelled
from speech_emotion.corpora.verification import is_published, verify
from speech_emotion.corpora.walking import files_below
from speech_emotion.errors import UserError
from speech_emotion.recorder import Recorder
from speech_emotion.store.hashing import sha256_file

DOWNLOADS = ".downloads"  # beside data/: half-done downloads and what is being laid out, never versioned
REPLACED = "replaced"
ADDRESSES = {  # corpus -> part -> archive; the first part is the default
    emodb.NAME: {"all": "http://emodb.bilderbar.info/download/download.zip"},
    ravdess.NAME: {
        "speech": "https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip",
        "song": "https://zenodo.org/records/1188976/files/Audio_Song_Actors_01-24.zip",
    },
}

Placing = Callable[[str], str | None]


@dataclass(frozen=True)
class Obtained:
    """What `obtain` came to.

    Attributes:
        folder: data/<corpus>.
        files: how many lie there.
        changed: whether anything was laid out; False where all was there already.
        verified: whether the files were compared with published sums.
    """

    folder: Path
    files: int
    changed: bool
    verified: bool


def obtain(
    corpus: str,
    data: Path,
    source: Path | None = None,
    recorder: Recorder | None = None,
    *,
    parts: tuple[str, ...] = (),
    workers: int = 1,
    addresses: Mapping[str, Mapping[str, str]] = ADDRESSES,
) -> Obtained:
    """Lays a corpus out in `data`/<corpus>: the demo is made, EMO-DB and RAVDESS are downloaded, others taken
    from `source`.

    Where the corpus's published sums are known, nothing appears that does not agree with them, and a corpus
    that is there and agrees is left as it is. Where they are not known, a corpus that is there is never
    replaced.

    Args:
        data: usually data/.
        source: an archive or a folder that holds the corpus, at any depth; files of no use are left out.
        parts: parts of the download, such as ("speech", "song") of RAVDESS; empty is the first one. What is
            not there yet is added to what is.
        workers: processes side by side that make the demo.
        addresses: corpus -> part -> address of an archive.

    Raises:
        UserError: no source for a corpus that needs one, a source without the corpus, files that do not agree
        with
            the published sums, a failed download, no space.
    """
    recorder = recorder or Recorder()
    parts = _checked_parts(corpus, parts, addresses)
    final = data / corpus
    _check_source(corpus, source, final, addresses)
    with _workplace(data, corpus) as work:
        staged = work / corpus
        lasting = _lasting(corpus, final, recorder)
        if lasting:
            parts = _lacking(corpus, final, parts)
        if corpus == demo.NAME:
            added = 0 if lasting else 1
            if added:
                synthesis.synthesise(staged, workers, recorder)
        elif lasting and source is None and not parts:
            added = 0
        else:
            incoming = source
            if source is None:
                incoming = _downloaded(corpus, work, recorder, {part: addresses[corpus][part] for part in parts})
            elif not source.is_dir():
                incoming = _unpacked(corpus, source, work, recorder)
            chosen = _chosen(corpus, incoming, "the download" if source is None else f"FROM={source}")
            added = _lay_out(corpus, chosen, staged, final if lasting else None, recorder)
        if not added:
            recorder.note(f"{final}: {lasting}: nothing to do")
            return Obtained(final, len(files_below(final)), False, is_published(corpus))
        _check(corpus, staged, source)
        count = len(files_below(staged))
        _take_place(staged, final, work)
        for address in addresses.get(corpus, {}).values():
            _archive(work, address).unlink(missing_ok=True)
    recorder.note(f"{final}: {count} files laid out{', verified' if is_published(corpus) else ''}")
    return Obtained(final, count, True, is_published(corpus))


def _check_source(corpus: str, source: Path | None, final: Path, addresses: Mapping[str, Mapping[str, str]]) -> None:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", corpus):
        raise UserError(f"corpus = {corpus}: must be a name of small letters, digits and hyphens")
    if source is None:
        if corpus in addresses or corpus == demo.NAME or (final.is_dir() and files_below(final)):
            return
        if corpus in (iemocap.NAME, casia.NAME):
            raise UserError(
                f"corpus = {corpus}: needs a licence from its publisher and cannot be downloaded: "
                f"make data CORPUS={corpus} FROM=archive-or-folder"
            )
        raise UserError(
            f"corpus = {corpus}: is none of {', '.join(MODULES)}: give an own corpus with "
            f"make data CORPUS={corpus} FROM=folder, as docs/own-corpus.md says"
        )
    if corpus == demo.NAME:
        raise UserError(f"FROM={source}: the demo corpus is made by the project itself: leave FROM out")
    if not source.exists():
        raise UserError(f"FROM={source}: no such file or folder")
    if source.resolve().is_relative_to(final.resolve()):
        raise UserError(f"FROM={source}: lies in {final} itself: name the place that you have the corpus from")


def _checked_parts(corpus: str, parts: tuple[str, ...], addresses: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    known = tuple(addresses.get(corpus, {}))
    if unknown := [part for part in parts if part not in known]:
        allowed = f"must be one of {', '.join(known)}" if known else f"{corpus} has no parts"
        raise UserError(f"part {unknown[0]} of {corpus}: {allowed}")
    return parts or known[:1]


@contextlib.contextmanager
def _workplace(data: Path, corpus: str) -> Iterator[Path]:
    """An empty folder on data's file system, for this process alone; what a killed run left there is
    removed."""
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
            os.replace(work / REPLACED, data / corpus)  # a kill came between the two renames of _take_place
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


def _lasting(corpus: str, final: Path, recorder: Recorder) -> str:
    """In words, why what lies in data/<corpus> is to stay; empty if nothing is there or it is to be laid out
    anew.

    Raises:
        UserError: it is to be laid out anew, and holds files that this would lose.
    """
    if not final.is_dir() or not files_below(final):
        return ""
    if not is_published(corpus):
        return "is there already, and its publisher's sums are not known"
    state = verify(corpus, final)
    if state.faultless:
        return f"is there already, all {state.listed} published files verified"
    if state.stray:
        raise UserError(f"{state.describe()}\n{final}: move the stray files away, then run it again")
    for line in state.describe().splitlines():
        recorder.note(line)
    recorder.note(f"{final}: is laid out anew")
    return ""


def _lacking(corpus: str, final: Path, parts: tuple[str, ...]) -> tuple[str, ...]:
    """Parts asked for of which nothing is there, where all that has known sums is."""
    if corpus == ravdess.NAME and "song" in parts and not any(map(ravdess.is_song, files_below(final))):
        return ("song",)
    return ()


def _downloaded(corpus: str, work: Path, recorder: Recorder, addresses: Mapping[str, str]) -> Path:
    """A folder that holds the corpus at some depth, from its publisher's archives."""
    placing = _placing(corpus)
    for part, address in addresses.items():
        archive = _archive(work, address)
        if not archive.is_file():
            recorder.note(f"{corpus}: downloading {address}")
            download(address, archive, recorder)
        try:
            extract(archive, work / "unpacked" / part, recorder, lambda name: placing(name) is not None)
        except UserError:
            archive.unlink()  # the next attempt fetches it anew
            raise
    return work / "unpacked"


def _unpacked(corpus: str, source: Path, work: Path, recorder: Recorder) -> Path:
    """A folder that holds the corpus at some depth, from the user's archive."""
    placing = _placing(corpus)
    extract(source, work / "unpacked", recorder, lambda name: corpus not in MODULES or placing(name) is not None)
    return work / "unpacked"


def _archive(work: Path, address: str) -> Path:
    return work.parent / PurePosixPath(address).name


def _lay_out(corpus: str, chosen: dict[str, Path], staged: Path, lasting: Path | None, recorder: Recorder) -> int:
    """Copies what belongs to the corpus into `staged`, after what is there already.

    Returns:
        How many files are new.
    """
    if lasting is not None:
        if not is_published(corpus):
            raise UserError(f"{lasting}: is there already: move it away to lay {corpus} out anew")
        there = set(files_below(lasting))
        chosen = {place: path for place, path in chosen.items() if place not in there}
        if not chosen:
            return 0
        shutil.copytree(lasting, staged)
    staged.mkdir(exist_ok=True)
    for place, path in recorder.progress(sorted(chosen.items()), f"copy {corpus}", len(chosen)):
        (staged / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, staged / place)
    return len(chosen)


def _chosen(corpus: str, incoming: Path, shown: str) -> dict[str, Path]:
    """Place below data/<corpus> -> file; of several equal ones for one place the least deep. Links are not
    followed.

    Raises:
        UserError: nothing of the corpus is there, or two files for one place differ.
    """
    files = [path for path in files_below(incoming) if not (incoming / path).is_symlink()]
    if corpus in MODULES:
        top, placing = f"{incoming.resolve().name}/", _placing(corpus)  # Actor_01 itself may have been named
    else:
        top, placing = "", _placing_own([path for path in files if PurePosixPath(path).name == own.TABLE])
    chosen: dict[str, Path] = {}
    for path in sorted(files, key=lambda path: (path.count("/"), path)):
        place = placing(top + path)
        if place is None:
            continue
        other = chosen.setdefault(place, incoming / path)
        if other != incoming / path and sha256_file(other) != sha256_file(incoming / path):
            both = f"{other.relative_to(incoming)} and {path}"
            raise UserError(f"{shown}: {both} are both {corpus}/{place} and differ: name the right folder")
    if not chosen:
        text = f"{shown}: holds nothing of {corpus}: must hold {_LAYOUTS.get(corpus, own.TABLE)} at some depth"
        archives = [name for name in sorted(os.listdir(incoming)) if is_archive(incoming / name)]
        raise UserError(f"{text}; if {archives[0]} holds it, name that with FROM" if archives else text)
    return chosen


_LAYOUTS = {
    emodb.NAME: emodb.SCHEME,
    ravdess.NAME: ravdess.SCHEME,
    iemocap.NAME: iemocap.SCHEME,
    casia.NAME: casia.SCHEME,
}


def _placing(corpus: str) -> Placing:
    """Where a file of some path belongs below data/<corpus>; None for what is not of the corpus."""
    return {
        emodb.NAME: _place_emodb,
        ravdess.NAME: _place_ravdess,
        iemocap.NAME: _place_iemocap,
        casia.NAME: _place_casia,
    }.get(corpus, lambda path: path)


def _place_emodb(path: str) -> str | None:
    name = PurePosixPath(path).name
    return f"wav/{name}" if emodb.FILE.fullmatch(name) else None


def _place_ravdess(path: str) -> str | None:
    folder, name = PurePosixPath(path).parent.name, PurePosixPath(path).name
    match = ravdess.FILE.fullmatch(name)
    return f"{folder}/{name}" if match and folder == f"Actor_{match[7]}" else None


_IEMOCAP = re.compile(
    r"(?:.*/)?(Session[1-5]/(?:sentences/wav/[^/]+/[^/]+\.wav|dialog/(?:EmoEvaluation|transcriptions)/[^/]+\.txt))"
)


def _place_iemocap(path: str) -> str | None:
    match = _IEMOCAP.fullmatch(path)
    return match[1] if match and not PurePosixPath(path).name.startswith(".") else None


def _place_casia(path: str) -> str | None:
    place = "/".join(PurePosixPath(path).parts[-3:])
    match = casia.FILE.fullmatch(place)
    return place if match and match["emotion"].lower() in casia.EMOTIONS else None


def _placing_own(tables: list[str]) -> Placing:
    """Everything below the folder of the one utterances.csv."""
    if not tables:
        return lambda path: None
    if len(tables) > 1:
        raise UserError(
            f"FROM holds more than one {own.TABLE} ({', '.join(tables[:3])}): name the folder of the right one"
        )
    top = PurePosixPath(tables[0]).parent
    return lambda path: (
        PurePosixPath(path).relative_to(top).as_posix() if PurePosixPath(path).is_relative_to(top) else None
    )


def _check(corpus: str, staged: Path, source: Path | None) -> None:
    if is_published(corpus):
        state = verify(corpus, staged)
        if state.faultless:
            return
        if corpus == demo.NAME:
            where = "the synthesis on this machine does not give the published files: report it"
        elif source is None:
            where = "the download is not the published corpus: run it again, or name an own copy with FROM=path"
        else:
            where = f"FROM={source}: is not the published corpus: get it from its publisher"
        raise UserError(f"{state.describe()}\n{where}; nothing was laid out")
    if not any(isinstance(entry, Labelled) for entry in reader_of(corpus, staged).read(staged)):
        raise UserError(f"FROM={source}: no utterance with a label was found in it; nothing was laid out")


def _take_place(staged: Path, final: Path, work: Path) -> None:
    if final.is_symlink():
        raise UserError(f"{final}: is a link: remove it, or lay the corpus out where it leads")
    if final.exists():
        os.replace(final, work / REPLACED)
    os.replace(staged, final)

"""Brings corpora into data/: synthesises, downloads or copies them, and verifies them before they appear."""

import re
from dataclasses import dataclass
from pathlib import Path

from speech_emotion.corpora.catalogue import corpus_of, known_corpora
from speech_emotion.corpora.corpus import LICENSED, Corpus
from speech_emotion.corpora.laying_out import (
    chosen_files,
    downloaded,
    forget_archives,
    lay_out,
    take_place,
    unpacked,
    workplace,
)
from speech_emotion.corpora.table import Labelled
from speech_emotion.corpora.verification import verify
from speech_emotion.corpora.walking import files_below
from speech_emotion.errors import UserError
from speech_emotion.recorder import Recorder


@dataclass(frozen=True)
class Obtained:
    """The result of `obtain`.

    Attributes:
        folder: data/<corpus>.
        files: number of files in it.
        changed: whether any file was added; False if everything was already there.
        verified: whether the files were compared with published checksums.
    """

    folder: Path
    files: int
    changed: bool
    verified: bool


def obtain(
    name: str,
    data: Path,
    source: Path | None = None,
    recorder: Recorder | None = None,
    *,
    parts: tuple[str, ...] = (),
    workers: int = 1,
) -> Obtained:
    """Puts a corpus into `data`/<name>: synthesises it, downloads it from its publisher, or copies it from `source`.

    If the corpus's published checksums are known, only files that match them are put in place, and an existing corpus
    that matches is left unchanged. If they are not known, an existing corpus is never replaced.

    Args:
        name: a known corpus, or one of the user's own.
        data: usually data/.
        source: an archive or a folder that holds the corpus, at any depth; other files in it are ignored.
        recorder: shows progress.
        parts: parts to download, such as ("speech", "song") of RAVDESS; empty means the first one. Missing parts are
            added to the existing ones.
        workers: number of processes that synthesise.

    Raises:
        UserError: a corpus that needs a source has none, the source does not hold the corpus, files do not match the
            published checksums, a download fails, or the disk is full.
    """
    recorder = recorder or Recorder()
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        raise UserError(f"corpus = {name}: must consist of lower-case letters, digits and hyphens")
    corpus = corpus_of(name)
    parts = _checked_parts(corpus, parts)
    final = data / name
    _check_source(corpus, source, final)
    with workplace(data, name) as work:
        staged = work / name
        lasting = _lasting(corpus, final, recorder)
        if lasting:
            parts = _lacking(corpus, final, parts)
        if corpus.make:
            added = 0 if lasting else 1
            if added:
                corpus.make(staged, workers, recorder)
        elif lasting and source is None and not parts:
            added = 0
        else:
            incoming = source
            if source is None:
                incoming = downloaded(corpus, parts, work, recorder)
            elif not source.is_dir():
                incoming = unpacked(corpus, source, work, recorder)
            chosen = chosen_files(corpus, incoming, "the download" if source is None else f"FROM={source}")
            added = lay_out(corpus, chosen, staged, final if lasting else None, recorder)
        verified = corpus.checksums is not None
        if not added:
            recorder.note(f"{final}: {lasting}: nothing to do")
            return Obtained(final, len(files_below(final)), False, verified)
        _check(corpus, staged, source)
        count = len(files_below(staged))
        take_place(staged, final, work)
        forget_archives(corpus, work)
    recorder.note(f"{final}: {count} files in place{', verified' if verified else ''}")
    return Obtained(final, count, True, verified)


def _check_source(corpus: Corpus, source: Path | None, final: Path) -> None:
    name = corpus.name
    if source is None:
        if corpus.archives or corpus.make or (final.is_dir() and files_below(final)):
            return
        known = known_corpora()
        if name in known:
            licence = "needs a licence from its publisher and " if corpus.licence == LICENSED else ""
            raise UserError(
                f"corpus = {name}: {licence}cannot be downloaded: make data CORPUS={name} FROM=archive-or-folder"
            )
        raise UserError(
            f"corpus = {name}: is unknown (known: {', '.join(known)}): for your own corpus, run "
            f"make data CORPUS={name} FROM=folder (docs/own-corpus.md)"
        )
    if corpus.make:
        raise UserError(f"FROM={source}: the {name} corpus is synthesised: leave FROM out")
    if not source.exists():
        raise UserError(f"FROM={source}: no such file or folder")
    if source.resolve().is_relative_to(final.resolve()):
        raise UserError(f"FROM={source}: is inside {final} itself: give the original location of the corpus")


def _checked_parts(corpus: Corpus, parts: tuple[str, ...]) -> tuple[str, ...]:
    known = tuple(corpus.archives)
    if unknown := [part for part in parts if part not in known]:
        allowed = f"must be one of {', '.join(known)}" if known else f"{corpus.name} has no parts"
        raise UserError(f"part {unknown[0]} of {corpus.name}: {allowed}")
    return parts or known[:1]


def _lasting(corpus: Corpus, final: Path, recorder: Recorder) -> str:
    """Why the files in data/<corpus> are kept, in words; empty if there are none or they have to be replaced.

    Raises:
        UserError: they have to be replaced, and stray files would be lost.
    """
    if not final.is_dir() or not files_below(final):
        return ""
    if corpus.checksums is None:
        return "already exists, and its publisher's checksums are not known"
    state = verify(corpus, final)
    if state.faultless:
        return f"already exists, all {state.listed} published files verified"
    if state.stray:
        raise UserError(f"{state.describe()}\n{final}: move the stray files away, then run it again")
    for line in state.describe().splitlines():
        recorder.note(line)
    recorder.note(f"{final}: is being replaced")
    return ""


def _lacking(corpus: Corpus, final: Path, parts: tuple[str, ...]) -> tuple[str, ...]:
    """The requested parts of which no file exists, given that all files with known checksums do."""
    there = files_below(final)
    return tuple(part for part in parts if part in corpus.unlisted and not any(map(corpus.unlisted[part], there)))


def _check(corpus: Corpus, staged: Path, source: Path | None) -> None:
    if corpus.checksums is not None:
        state = verify(corpus, staged)
        if state.faultless:
            return
        if corpus.make:
            where = "the synthesis on this machine gives other files than the published ones: please report it"
        elif source is None:
            where = "the download is not the published corpus: run it again, or give your own copy as FROM=path"
        else:
            where = f"FROM={source}: is not the published corpus: get it from its publisher"
        raise UserError(f"{state.describe()}\n{where}; data/ is unchanged")
    if not any(isinstance(entry, Labelled) for entry in corpus.read(staged)):
        given = f"FROM={source}" if source else corpus.name
        raise UserError(f"{given}: no utterance with a label was found in it; data/ is unchanged")

"""Corpora brought into data/: made, downloaded or taken from where the user has them; verified, whole or not
at all."""

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
    name: str,
    data: Path,
    source: Path | None = None,
    recorder: Recorder | None = None,
    *,
    parts: tuple[str, ...] = (),
    workers: int = 1,
) -> Obtained:
    """Lays a corpus out in `data`/<name>: synthesised, downloaded from its publisher, or taken from `source`.

    Where the corpus's published sums are known, nothing appears that does not agree with them, and a corpus
    that is there and agrees is left as it is. Where they are not known, a corpus that is there is never
    replaced.

    Args:
        name: of a known corpus, or of one of the user's own.
        data: usually data/.
        source: an archive or a folder that holds the corpus, at any depth; files of no use are left out.
        recorder: shows progress.
        parts: parts of the download, such as ("speech", "song") of RAVDESS; empty is the first one. What is
            not there yet is added to what is.
        workers: processes side by side that synthesise.

    Raises:
        UserError: no source for a corpus that needs one, a source without the corpus, files that do not agree
            with the published sums, a failed download, no space.
    """
    recorder = recorder or Recorder()
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        raise UserError(f"corpus = {name}: must be a name of small letters, digits and hyphens")
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
    recorder.note(f"{final}: {count} files laid out{', verified' if verified else ''}")
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
            f"corpus = {name}: is none of {', '.join(known)}: give an own corpus with "
            f"make data CORPUS={name} FROM=folder, as docs/own-corpus.md says"
        )
    if corpus.make:
        raise UserError(f"FROM={source}: the {name} corpus is made by the project itself: leave FROM out")
    if not source.exists():
        raise UserError(f"FROM={source}: no such file or folder")
    if source.resolve().is_relative_to(final.resolve()):
        raise UserError(f"FROM={source}: lies in {final} itself: name the place that you have the corpus from")


def _checked_parts(corpus: Corpus, parts: tuple[str, ...]) -> tuple[str, ...]:
    known = tuple(corpus.archives)
    if unknown := [part for part in parts if part not in known]:
        allowed = f"must be one of {', '.join(known)}" if known else f"{corpus.name} has no parts"
        raise UserError(f"part {unknown[0]} of {corpus.name}: {allowed}")
    return parts or known[:1]


def _lasting(corpus: Corpus, final: Path, recorder: Recorder) -> str:
    """In words, why what lies in data/<corpus> is to stay; empty if nothing is there or it is to be laid out
    anew.

    Raises:
        UserError: it is to be laid out anew, and holds files that this would lose.
    """
    if not final.is_dir() or not files_below(final):
        return ""
    if corpus.checksums is None:
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


def _lacking(corpus: Corpus, final: Path, parts: tuple[str, ...]) -> tuple[str, ...]:
    """Parts asked for of which nothing is there, where all that has known sums is."""
    there = files_below(final)
    return tuple(part for part in parts if part in corpus.unlisted and not any(map(corpus.unlisted[part], there)))


def _check(corpus: Corpus, staged: Path, source: Path | None) -> None:
    if corpus.checksums is not None:
        state = verify(corpus, staged)
        if state.faultless:
            return
        if corpus.make:
            where = "the synthesis on this machine does not give the published files: report it"
        elif source is None:
            where = "the download is not the published corpus: run it again, or name an own copy with FROM=path"
        else:
            where = f"FROM={source}: is not the published corpus: get it from its publisher"
        raise UserError(f"{state.describe()}\n{where}; nothing was laid out")
    if not any(isinstance(entry, Labelled) for entry in corpus.read(staged)):
        given = f"FROM={source}" if source else corpus.name
        raise UserError(f"{given}: no utterance with a label was found in it; nothing was laid out")

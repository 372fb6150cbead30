"""Step ingest: a corpus's files become the table of utterances, or are rejected with the reason."""

import csv
import functools
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from speech_emotion.audio.reading import AudioFault, check_audio, read_audio
from speech_emotion.corpora.catalogue import corpus_of
from speech_emotion.corpora.table import EMOTIONS, Labelled, Rejected, Utterance, write_utterances
from speech_emotion.corpora.walking import leaves, outside, passes_through_link
from speech_emotion.errors import UserError
from speech_emotion.parallel import ordered_map
from speech_emotion.params import Ingest
from speech_emotion.recorder import Recorder
from speech_emotion.reporting.rendering import render
from speech_emotion.steps.step import Folders, Step
from speech_emotion.store.atomic import atomic_file, write_text
from speech_emotion.store.hashing import sha256_file
from speech_emotion_jetson.reading import shown

# excluded by the corpus's labels or by the user's table: reported, but not a sign of damage
BY_CHOICE = ("no-agreement", "unlisted")
SHOWN = 10  # number of files in the message of a failure
NOTED = 200  # number of files that are logged on failure
FILES_A_TASK = 8
COUNTED = ("emotions", "sexes", "sessions", "sample_rates", "channels", "licences")  # counts in the report

Outcome = Utterance | Rejected


def run(inputs: Folders, params: Any, outputs: Folders, recorder: Recorder) -> None:
    """Writes utterances.parquet, rejected.csv, report.json and report.md.

    Raises:
        UserError: there are no files, none can be used, or the share of rejected files exceeds ingest.max_rejected.
    """
    root, folder = inputs["data"], outputs["utterances"]
    outcomes = survey(root, params.corpus, params.ingest, params.workers, recorder)
    utterances = [outcome for outcome in outcomes if isinstance(outcome, Utterance)]
    rejected = sorted(
        (outcome for outcome in outcomes if isinstance(outcome, Rejected)),
        key=lambda item: (item.path, item.reason, item.detail),
    )
    _refuse_damage(root, utterances, rejected, params.ingest, recorder)
    write_utterances(folder / "utterances.parquet", utterances)
    _write_rejected(folder / "rejected.csv", rejected)
    figures = summary(params.corpus, utterances, rejected)
    write_text(folder / "report.json", json.dumps(figures, indent=1, ensure_ascii=False) + "\n")
    write_text(folder / "report.md", _report(figures, utterances))
    recorder.note(f"{params.corpus}: {len(utterances)} utterances, {len(rejected)} files rejected")


def survey(root: Path, name: str, params: Ingest, workers: int, recorder: Recorder) -> list[Outcome]:
    """Checks each file below `root`; returns one outcome per utterance or rejected file, in the reader's order.

    Args:
        root: folder of the corpus.
        name: name of the corpus.
        params: section ingest.
        workers: number of processes.
        recorder: shows progress.

    Raises:
        UserError: the folder is missing or empty, or the corpus's own label files cannot be read.
    """
    if not root.is_dir():
        raise UserError(f"{root}: no such folder: run make data CORPUS={name}")
    corpus = corpus_of(name)
    entries = [_admit(root, entry, params) for entry in corpus.read(root)]
    if not entries:
        raise UserError(f"{root}: contains no files: run make data CORPUS={name}")
    outcomes: list[Outcome] = [entry for entry in entries if isinstance(entry, Rejected)]
    labelled = sorted(
        (entry for entry in entries if isinstance(entry, Labelled)), key=lambda entry: (entry.path, entry.start)
    )
    files = [list(parts) for _, parts in itertools.groupby(labelled, key=lambda entry: entry.path)]
    tasks = [files[first : first + FILES_A_TASK] for first in range(0, len(files), FILES_A_TASK)]
    check = functools.partial(_check_files, root, name, corpus.licence, params)
    for found in ordered_map(check, tasks, workers, recorder, f"ingest {name} (x {FILES_A_TASK} files)"):
        outcomes += found
    return _one_an_id(outcomes)


def _admit(root: Path, entry: Labelled | Rejected, params: Ingest) -> Labelled | Rejected:
    """Rejects what can be rejected before the audio is opened."""
    path = shown(entry.path)
    if isinstance(entry, Rejected):
        return replace(entry, path=path)
    if path != entry.path:
        return Rejected(path, "name", "is not UTF-8: rename it")
    if leaves(entry.path) or passes_through_link(root, entry.path):
        return outside(entry.path)
    if entry.emotion not in EMOTIONS and params.undeclared_labels == "reject":
        return Rejected(
            entry.path,
            "undeclared-label",
            f"emotion {entry.emotion!r}: must be one of {', '.join(EMOTIONS)} (or set ingest.undeclared_labels: keep)",
        )
    return entry


def _check_files(root: Path, corpus: str, licence: str, params: Ingest, files: list[list[Labelled]]) -> list[Outcome]:
    return [outcome for parts in files for outcome in _check_file(root, corpus, licence, params, parts)]


def _check_file(root: Path, corpus: str, licence: str, params: Ingest, parts: list[Labelled]) -> Iterator[Outcome]:
    """Yields the outcomes of one file's utterances; the file is hashed once."""
    path = root / parts[0].path
    digest = None
    for part in parts:
        try:
            audio = read_audio(path, part.start, part.end, params.max_seconds)
            check_audio(path, audio, params.min_seconds, params.silence_dbfs)
        except AudioFault as fault:
            where = "" if _is_whole(part) else f"{_interval(part)}: "
            yield Rejected(part.path, fault.reason, where + fault.detail)
            continue
        digest = digest or sha256_file(path)
        fields = {name: value for name, value in asdict(part).items() if name not in ("start", "end", "licence")}
        yield Utterance(
            id=_id(corpus, part),
            corpus=corpus,
            start=audio.start,
            end=audio.end,
            duration=audio.end - audio.start,
            sample_rate=audio.rate,
            channels=audio.channels,
            sha256=digest,
            licence=part.licence or licence,
            **fields,
        )


def _is_whole(part: Labelled) -> bool:
    return part.start == 0 and part.end is None


def _interval(part: Labelled) -> str:
    return f"{part.start!r}-{'' if part.end is None else repr(part.end)}"


def _id(corpus: str, part: Labelled) -> str:
    stem = Path(part.path).with_suffix("").as_posix()
    return f"{corpus}/{stem}" if _is_whole(part) else f"{corpus}/{stem}@{_interval(part)}"


def _one_an_id(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Rejects the later of two utterances with the same id, such as a.wav and a.flac."""
    first: dict[str, str] = {}
    result: list[Outcome] = []
    for outcome in outcomes:
        if isinstance(outcome, Utterance) and first.setdefault(outcome.id, outcome.path) != outcome.path:
            detail = f"has the same name as {first[outcome.id]} except for the extension: rename or remove one"
            outcome = Rejected(outcome.path, "doubled", detail)
        result.append(outcome)
    return result


def _refuse_damage(
    root: Path, utterances: list[Utterance], rejected: list[Rejected], params: Ingest, recorder: Recorder
) -> None:
    damaged = [item for item in rejected if item.reason not in BY_CHOICE]
    total = len(utterances) + len(damaged)
    share = len(damaged) / total if total else 0.0
    if utterances and share <= params.max_rejected:
        return
    for item in damaged[:NOTED]:
        recorder.note(f"rejected: {item.path}: {item.reason}: {item.detail}")
    reasons = ", ".join(f"{reason} {count}" for reason, count in _counts(item.reason for item in rejected).items())
    if utterances:
        head = (
            f"{root}: {len(damaged)} of {total} files ({share:.1%}) rejected, more than ingest.max_rejected = "
            f"{params.max_rejected:g}: fix or remove them, or raise the limit ({reasons})"
        )
    else:
        head = f"{root}: no file can be used: fix them, or run make data again ({reasons})"
    some = [f"{root / item.path}: {item.reason}: {item.detail}" for item in (damaged or rejected)[:SHOWN]]
    more = [f"and {len(damaged) - SHOWN} more files"] if len(damaged) > SHOWN else []
    raise UserError("\n".join([head, *some, *more]))


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def summary(corpus: str, utterances: list[Utterance], rejected: list[Rejected]) -> dict[str, Any]:
    """Returns the contents of report.json: counts, and seconds rounded to milliseconds."""
    durations = [utterance.duration for utterance in utterances]
    speakers: dict[str, dict[str, Any]] = {}
    for utterance in sorted(utterances, key=lambda utterance: utterance.speaker):
        of = speakers.setdefault(utterance.speaker, {"utterances": 0, "seconds": 0.0})
        of["utterances"] += 1
        of["seconds"] = round(of["seconds"] + utterance.duration, 3)
    return {
        "corpus": corpus,
        "utterances": len(utterances),
        "files": len({utterance.path for utterance in utterances}),
        "identical_files": sum(len(paths) for paths in _identical(utterances)),
        "rejected": {"count": len(rejected), "reasons": _counts(item.reason for item in rejected)},
        "seconds": {
            "total": round(sum(durations), 3),
            "mean": round(sum(durations) / len(durations), 3),
            "shortest": round(min(durations), 3),
            "longest": round(max(durations), 3),
        },
        "emotions": _counts(utterance.emotion for utterance in utterances),
        "speakers": speakers,
        "sexes": _counts(utterance.sex or "unknown" for utterance in utterances),
        "sessions": _counts(utterance.session or "none" for utterance in utterances),
        "sample_rates": _counts(str(utterance.sample_rate) for utterance in utterances),
        "channels": _counts(str(utterance.channels) for utterance in utterances),
        "licences": _counts(utterance.licence for utterance in utterances),
    }


def _identical(utterances: list[Utterance]) -> list[list[str]]:
    """Groups of paths whose files have the same bytes."""
    paths: dict[str, set[str]] = {}
    for utterance in utterances:
        paths.setdefault(utterance.sha256, set()).add(utterance.path)
    return sorted(sorted(group) for group in paths.values() if len(group) > 1)


def _write_rejected(path: Path, rejected: list[Rejected]) -> None:
    with atomic_file(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "reason", "detail"])
        writer.writerows([item.path, item.reason, item.detail] for item in rejected)


def _report(figures: dict[str, Any], utterances: list[Utterance]) -> str:
    """The text of report.md."""
    counted = {name.replace("_", " ").capitalize(): figures[name] for name in COUNTED}
    return render("ingest.md.j2", **figures, counted=counted, identical=_identical(utterances))


STEP = Step(
    name="ingest",
    run=run,
    inputs={"data": "data/{corpus}"},
    outputs={"utterances": "artifacts/ingest"},
    sections=("corpus", "ingest"),
    dvc_inputs=("artifacts/check", "data/{corpus}"),  # runs after the check
)

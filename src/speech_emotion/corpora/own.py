"""The user's own corpora: a folder of audio and a table `utterances.csv` with each utterance's speaker and emotion.

The user's guide is docs/own-corpus.md.
"""

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from speech_emotion.corpora.corpus import Corpus, Place
from speech_emotion.corpora.table import Labelled, Rejected
from speech_emotion.corpora.walking import files_below, leaves, outside, passes_through_link, unexpected
from speech_emotion.errors import UserError
from speech_emotion_jetson.reading import is_audio

TABLE = "utterances.csv"

REQUIRED = ("path", "speaker", "emotion")
OPTIONAL = ("sex", "intensity", "text", "session", "start", "end", "licence")
VALUES = {"sex": ("female", "male"), "intensity": ("normal", "strong")}
SHOWN = 10  # number of faults in a message


def read(root: Path) -> Iterator[Labelled | Rejected]:
    """Reads `root`/utterances.csv, sorted by path and start, and then the other files in the folder.

    A row is rejected if its path leaves the folder, passes through a link or does not exist. Audio files without a row
    (reason unlisted) and other files are rejected too.

    Raises:
        UserError: the table is missing, has unknown or missing columns, duplicate rows or cells that cannot be read;
            one line per fault.
    """
    rows = _rows(root / TABLE)
    for row in sorted(rows, key=lambda row: (row.path, row.start)):
        if leaves(row.path) or passes_through_link(root, row.path):
            yield outside(row.path)
        elif not (root / row.path).is_file():
            yield Rejected(row.path, "missing", f"is listed in {TABLE}, but there is no such file")
        else:
            yield row
    listed = {row.path for row in rows}
    for path in files_below(root):
        if path in listed or path == TABLE:
            continue
        if is_audio(path) and not passes_through_link(root, path):
            yield Rejected(path, "unlisted", f"{TABLE} has no row for it")
        else:
            yield unexpected(root, path, f"{TABLE} and the files listed in it")


def _rows(table: Path) -> list[Labelled]:
    cells = _cells(table)
    header, lines = cells[0][1], cells[1:]
    _check_header(table, header)
    faults, rows, seen = [], [], {}
    for number, line in lines:
        if len(line) != len(header):
            faults.append(
                f"{table}: line {number}: {len(line)} cells for {len(header)} columns: quote cells with commas"
            )
            continue
        row = dict(zip(header, line, strict=True))
        found = list(_faults(row))
        if found:
            faults += [f"{table}: line {number}: {fault}" for fault in found]
            continue
        labelled = _labelled(row)
        key = (labelled.path, labelled.start, labelled.end)
        if key in seen:
            faults.append(f"{table}: line {number}: {labelled.path} is already in line {seen[key]}: remove one")
        seen.setdefault(key, number)
        rows.append(labelled)
    if faults:
        more = [f"{table}: and {len(faults) - SHOWN} more faults"] if len(faults) > SHOWN else []
        raise UserError("\n".join(faults[:SHOWN] + more))
    return rows


def _cells(table: Path) -> list[tuple[int, list[str]]]:
    """Returns the line number and the stripped cells of each non-empty line; the header is first."""
    try:
        with open(table, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            lines = ((reader.line_num, [cell.strip() for cell in line]) for line in reader)
            cells = [(number, line) for number, line in lines if any(line)]
    except FileNotFoundError:
        raise UserError(f"{table}: no such file: write it as described in docs/own-corpus.md") from None
    except UnicodeDecodeError:
        raise UserError(f"{table}: is not UTF-8: save it in that encoding") from None
    except csv.Error as error:
        raise UserError(f"{table}: is not CSV: {error}") from None
    if not cells:
        raise UserError(f"{table}: is empty: its first line must name the columns {', '.join(REQUIRED)}")
    return cells


def _check_header(table: Path, header: list[str]) -> None:
    known = (*REQUIRED, *OPTIONAL)
    if len(header) == 1 and any(sign in header[0] for sign in ";\t"):
        raise UserError(f"{table}: columns are not separated by commas: save it with commas as separators")
    if missing := [name for name in REQUIRED if name not in header]:
        raise UserError(f"{table}: column {missing[0]} is missing: must have {', '.join(REQUIRED)}")
    if unknown := [name for name in header if name not in known]:
        raise UserError(f"{table}: column {unknown[0]!r} is unknown: must be one of {', '.join(known)}")
    if doubled := [name for name in known if header.count(name) > 1]:
        raise UserError(f"{table}: column {doubled[0]} occurs twice: remove one")


def _faults(row: dict[str, str]) -> Iterator[str]:
    for name in REQUIRED:
        if not row[name]:
            yield f"{name} is empty: fill it in"
    for name, allowed in VALUES.items():
        if row.get(name) and row[name] not in allowed:
            yield f"{name} = {row[name]}: must be {' or '.join(allowed)}, or empty"
    times = {}
    for name in ("start", "end"):
        if row.get(name):
            times[name] = _seconds(row[name])
            if times[name] is None:
                yield f"{name} = {row[name]}: must be a number of seconds, at least 0"
    if times.get("end") is not None and times["end"] <= (times.get("start") or 0.0):
        yield f"end = {row['end']}: must be after the start"


def _seconds(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _labelled(row: dict[str, str]) -> Labelled:
    path = row["path"]
    return Labelled(
        path=path if leaves(path) else PurePosixPath(path).as_posix(),  # ./a.wav and a.wav are one file
        speaker=row["speaker"],
        emotion=row["emotion"],
        sex=row.get("sex") or None,
        intensity=row.get("intensity") or None,
        text=row.get("text") or None,
        session=row.get("session") or None,
        start=float(row.get("start") or 0.0),
        end=float(row["end"]) if row.get("end") else None,
        licence=row.get("licence") or None,
    )


def arrange(paths: Sequence[str]) -> Place:
    """Returns a `place` that takes everything below the folder of utterances.csv, or nothing if there is no such file.

    Args:
        paths: all files that the user gives, relative, with forward slashes.

    Raises:
        UserError: more than one utterances.csv.
    """
    tables = [path for path in paths if PurePosixPath(path).name == TABLE]
    if not tables:
        return lambda path: None
    if len(tables) > 1:
        raise UserError(f"FROM holds more than one {TABLE} ({', '.join(tables[:3])}): give the folder of the right one")
    top = PurePosixPath(tables[0]).parent
    return lambda path: (
        PurePosixPath(path).relative_to(top).as_posix() if PurePosixPath(path).is_relative_to(top) else None
    )


def corpus(name: str) -> Corpus:
    """Returns the user's own corpus called `name`."""
    return Corpus(
        name=name,
        description="a corpus of the user's own",
        licence="own",
        scheme=TABLE,
        read=read,
        place=lambda path: path,
        arrange=arrange,
    )

"""Answers as rows of a table for people, CSV or JSON lines: one row for each file, window or segment of one emotion."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence, TextIO

from speech_emotion_jetson.errors import AudioFault, UserError
from speech_emotion_jetson.reading import shown
from speech_emotion_jetson.recogniser import Prediction, Window
from speech_emotion_jetson.timeline import Segment

FORMS = ("table", "csv", "jsonl")
ROWS = ("files", "windows", "timeline")
PROBABILITY = "p_"  # before the emotion
DIGITS = 6  # of a probability


class Report:
    """Writes rows one by one.

    Args:
        stream: open text file.
        form: one of FORMS.
        labels: emotions in the model's order.
        rows: one of ROWS, or "live".
        names: of all files to come, for the width of the table's first column.
    """

    def __init__(self, stream: TextIO, form: str, labels: Sequence[str], rows: str, names: Sequence[str] = ()):
        self._stream, self._form, self._rows = stream, form, rows
        columns = {} if rows == "live" else {"file": max([4, *map(len, names)])}
        columns.update({"seconds": 8} if rows == "files" else {"start": 8, "end": 8})
        columns["emotion"] = max([7, *map(len, labels)])
        if rows == "timeline":
            columns["probability"] = 11
        else:
            columns.update({PROBABILITY + label: max(5, len(label)) for label in labels})
        self._widths = {**columns, "out_of_distribution": len("out of distribution")}
        self._csv = csv.DictWriter(stream, [*self._widths, "ood_score", "error"], lineterminator="\n")
        if form == "csv":
            self._csv.writeheader()
        elif form == "table":
            self._print({name: _heading(name) for name in self._widths})

    def add(self, path: Path, said: Prediction) -> None:
        """Writes the rows of the answer for a file."""
        for row in self._of(said):
            self._write({"file": shown(path), **row}, said.out_of_distribution, said.ood_score)

    def live(self, window: Window) -> None:
        """Writes the smoothed answer for the latest window of live speech; a silent one is named `silence`."""
        emotion = "silence" if window.silent else max(window.smoothed, key=window.smoothed.__getitem__)
        row = {**_times(window), "emotion": emotion, "probabilities": _rounded(window.smoothed)}
        self._write(row, window.silent or window.ood_score > 1, window.ood_score)
        self._stream.flush()

    def fail(self, path: Path, error: UserError) -> None:
        """Writes why a file could not be used."""
        text = f"{error.reason}: {error.detail}" if isinstance(error, AudioFault) else str(error)
        if self._form == "jsonl":
            self._json({"file": shown(path), "error": text})
        elif self._form == "csv":
            self._csv.writerow({"file": shown(path), "error": text})
        else:
            self._stream.write(f"{shown(path):<{self._widths['file']}}  error: {text}\n")

    def _of(self, said: Prediction) -> Iterator[dict[str, Any]]:
        if self._rows == "files":
            seconds = round(said.seconds, 4)
            yield {"seconds": seconds, "emotion": said.emotion, "probabilities": _rounded(said.probabilities)}
        elif self._rows == "windows":
            for window in said.windows:
                probabilities = _rounded(window.probabilities)
                yield {**_times(window), "emotion": window.emotion, "probabilities": probabilities}
        else:
            for part in said.timeline:
                yield {**_times(part), "emotion": part.emotion, "probability": round(part.probability, DIGITS)}

    def _write(self, row: dict[str, Any], out_of_distribution: bool | None, ood_score: float | None) -> None:
        row = {
            **row,
            "out_of_distribution": out_of_distribution,
            "ood_score": None if ood_score is None else round(ood_score, 3),
        }
        if self._form == "jsonl":
            self._json(row)
            return
        probabilities = row.pop("probabilities", {})
        row.update({PROBABILITY + label: value for label, value in probabilities.items()})
        row["out_of_distribution"] = {True: "yes", False: "no", None: ""}[out_of_distribution]
        if self._form == "csv":
            self._csv.writerow(row)
            return
        texts = ("file", "emotion", "out_of_distribution")
        digits = {"seconds": 2, "start": 2, "end": 2}
        cells = {name: row[name] for name in self._widths}
        self._print({k: v if k in texts else f"{v:.{digits.get(k, 3)}f}" for k, v in cells.items()})

    def _print(self, row: Mapping[str, Any]) -> None:
        left = ("file", "emotion")
        cells = [f"{row[name]:{'<' if name in left else '>'}{width}}" for name, width in self._widths.items()]
        self._stream.write("  ".join(cells).rstrip() + "\n")

    def _json(self, row: Mapping[str, Any]) -> None:
        self._stream.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


def _times(part: Window | Segment) -> dict[str, float]:
    return {"start": round(part.start, 4), "end": round(part.end, 4)}


def _rounded(probabilities: Mapping[str, float]) -> dict[str, float]:
    return {label: round(value, DIGITS) for label, value in probabilities.items()}


def _heading(name: str) -> str:
    """A column's name in the table."""
    return (name[len(PROBABILITY) :] if name.startswith(PROBABILITY) else name).replace("_", " ")

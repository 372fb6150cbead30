"""Answers as rows: a table for people, CSV, or JSON lines; a row a file, a window, or a stretch of one emotion."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence, TextIO

from speech_emotion_jetson.errors import AudioFault, UserError
from speech_emotion_jetson.recogniser import Prediction, Window

FORMS = ("table", "csv", "jsonl")
ROWS = ("files", "windows", "timeline")
PROBABILITY = "p_"  # before the emotion
DIGITS = 6  # of a probability


class Report:
    """Writes rows as they come.

    Args:
        stream: open text file.
        form: one of FORMS.
        labels: emotions in the model's order.
        rows: one of ROWS, or "live".
        names: of all files to come, for the width of the table's first column.
    """

    def __init__(self, stream: TextIO, form: str, labels: Sequence[str], rows: str, names: Sequence[str] = ()):
        self._stream, self._form, self._rows, self._labels = stream, form, rows, labels
        columns = {} if rows == "live" else {"file": max([4, *map(len, names)])}
        columns.update({"seconds": 8} if rows == "files" else {"start": 8, "end": 8})
        columns["emotion"] = max([7, *map(len, labels)])
        if rows == "timeline":
            columns["probability"] = 11
        else:
            columns.update({PROBABILITY + label: max(5, len(label)) for label in labels})
        self._widths = {**columns, "unlike_training": len("unlike training")}
        self._csv = csv.DictWriter(stream, [*self._widths, "distance", "error"], lineterminator="\n")
        if form == "csv":
            self._csv.writeheader()
        elif form == "table":
            self._print({name: name.replace(PROBABILITY, "").replace("_", " ") for name in self._widths})

    def add(self, path: Path, said: Prediction) -> None:
        """Writes what was said of a file."""
        for row in self._of(said):
            self._write({"file": shown(path), **row}, said.unlike_training, said.distance)

    def live(self, window: Window) -> None:
        """Writes what was said of the latest window of live speech, smoothed; nothing heard is `silence`."""
        emotion = "silence" if window.silent else self._labels[int(window.smoothed.argmax())]
        row = {**_times(window), "emotion": emotion, "probabilities": self._rounded(window.smoothed)}
        self._write(row, window.silent or window.distance > 1, window.distance)
        self._stream.flush()

    def fail(self, path: Path, error: UserError) -> None:
        """Writes why a file got no answer."""
        text = f"{error.reason}: {error.detail}" if isinstance(error, AudioFault) else str(error)
        if self._form == "jsonl":
            self._json({"file": shown(path), "error": text})
        elif self._form == "csv":
            self._csv.writerow({"file": shown(path), "error": text})
        else:
            self._stream.write(f"{shown(path):<{self._widths['file']}}  error: {text}\n")

    def _of(self, said: Prediction) -> Iterator[dict[str, Any]]:
        if self._rows == "files":
            probabilities = {label: round(value, DIGITS) for label, value in said.probabilities.items()}
            yield {"seconds": round(said.seconds, 4), "emotion": said.emotion, "probabilities": probabilities}
        elif self._rows == "windows":
            for window in said.windows:
                emotion = self._labels[int(window.probabilities.argmax())]
                yield {**_times(window), "emotion": emotion, "probabilities": self._rounded(window.probabilities)}
        else:
            for part in said.timeline:
                times = {"start": round(part.start, 4), "end": round(part.end, 4)}
                yield {**times, "emotion": part.emotion, "probability": round(part.probability, DIGITS)}

    def _write(self, row: dict[str, Any], unlike: bool | None, distance: float | None) -> None:
        row = {**row, "unlike_training": unlike, "distance": None if distance is None else round(distance, 3)}
        if self._form == "jsonl":
            self._json(row)
            return
        probabilities = row.pop("probabilities", {})
        row.update({PROBABILITY + label: value for label, value in probabilities.items()})
        row["unlike_training"] = {True: "yes", False: "no", None: ""}[unlike]
        if self._form == "csv":
            self._csv.writerow(row)
            return
        texts = ("file", "emotion", "unlike_training")
        digits = {"seconds": 2, "start": 2, "end": 2}
        cells = {name: row[name] for name in self._widths}
        self._print({k: v if k in texts else f"{v:.{digits.get(k, 3)}f}" for k, v in cells.items()})

    def _rounded(self, values: Any) -> dict[str, float]:
        return {label: round(float(value), DIGITS) for label, value in zip(self._labels, values)}

    def _print(self, row: Mapping[str, Any]) -> None:
        left = ("file", "emotion")
        cells = [f"{row[name]:{'<' if name in left else '>'}{width}}" for name, width in self._widths.items()]
        self._stream.write("  ".join(cells).rstrip() + "\n")

    def _json(self, row: Mapping[str, Any]) -> None:
        self._stream.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


def shown(path: Path) -> str:
    """A path as text; bytes of a name that are no UTF-8 are written as \\xNN."""
    return os.fsencode(str(path)).decode("utf-8", "backslashreplace")


def _times(window: Window) -> dict[str, float]:
    return {"start": round(window.start, 4), "end": round(window.end, 4)}

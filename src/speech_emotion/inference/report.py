"""Predictions as rows: a table for people, CSV, or JSON lines; a row a file, or a row a window."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from speech_emotion.audio.reading import AudioFault
from speech_emotion.corpora.walking import shown
from speech_emotion.errors import UserError
from speech_emotion.inference.recogniser import Prediction

PROBABILITY = "p_"  # before the emotion, as in predictions.parquet
Row = dict[str, Any]


class Report:
    """Writes rows as they come, each with the file that it is about.

    Args:
        stream: open text file.
        form: "table", "csv" or "jsonl".
        labels: emotions in the model's order.
        windows: a row a window instead of a row a file.
        paths: of all files to come, for the width of the table's first column.
    """

    def __init__(self, stream: TextIO, form: str, labels: Sequence[str], windows: bool, paths: Sequence[Path]):
        self._stream, self._form, self._windows = stream, form, windows
        self._times = ("start", "end") if windows else ("seconds",)
        self._widths = {"file": max([4, *(len(shown(path)) for path in paths)])}
        self._widths |= {time: 8 for time in self._times}
        self._widths |= {"emotion": max([7, *map(len, labels)])}
        self._widths |= {PROBABILITY + label: max(5, len(label)) for label in labels}
        self._widths |= {"unlike_training": len("unlike training")}
        columns = [*self._widths, "distance", "error"]
        self._csv = csv.DictWriter(stream, columns, lineterminator="\n")
        if form == "csv":
            self._csv.writeheader()
        elif form == "table":
            self._print({name: name.removeprefix(PROBABILITY).replace("_", " ") for name in self._widths})

    def add(self, path: Path, prediction: Prediction) -> None:
        """Writes what was said of a file."""
        for row in self._rows(prediction):
            row = {"file": shown(path), **row}
            row |= {"unlike_training": prediction.unlike_training, "distance": round(prediction.distance, 3)}
            if self._form == "jsonl":
                self._json(row)
                continue
            probabilities = row.pop("probabilities")
            row |= {PROBABILITY + label: value for label, value in probabilities.items()}
            row["unlike_training"] = "yes" if prediction.unlike_training else "no"
            if self._form == "csv":
                self._csv.writerow(row)
            else:
                times = {time: f"{row[time]:.2f}" for time in self._times}
                self._print({**row, **times, **{PROBABILITY + k: f"{v:.3f}" for k, v in probabilities.items()}})

    def fail(self, path: Path, error: UserError) -> None:
        """Writes why a file got no answer."""
        text = f"{error.reason}: {error.detail}" if isinstance(error, AudioFault) else str(error)
        if self._form == "jsonl":
            self._json({"file": shown(path), "error": text})
        elif self._form == "csv":
            self._csv.writerow({"file": shown(path), "error": text})
        else:
            self._stream.write(f"{shown(path):<{self._widths['file']}}  error: {text}\n")

    def _rows(self, prediction: Prediction) -> Iterator[Row]:
        if not self._windows:
            seconds = round(prediction.seconds, 4)
            yield {"seconds": seconds, "emotion": prediction.emotion, "probabilities": _rounded(prediction)}
            return
        for window in prediction.windows:
            times = {"start": round(window.start, 4), "end": round(window.end, 4)}
            yield {**times, "emotion": window.emotion, "probabilities": _rounded(window)}

    def _print(self, row: Mapping[str, Any]) -> None:
        left = ("file", "emotion")
        cells = [f"{row[name]:{'<' if name in left else '>'}{width}}" for name, width in self._widths.items()]
        self._stream.write("  ".join(cells).rstrip() + "\n")

    def _json(self, row: Row) -> None:
        self._stream.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


def _rounded(said: Any) -> dict[str, float]:
    return {label: round(value, 6) for label, value in said.probabilities.items()}

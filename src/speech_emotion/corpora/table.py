"""The table of utterances, the same for every corpus."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from speech_emotion.errors import UserError
from speech_emotion.store.atomic import atomic_file

EMOTIONS = (
    "anger", "boredom", "calm", "disgust", "excitement", "fear", "frustration", "happiness", "neutral", "other",
    "sadness", "surprise",
)  # fmt: skip

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),  # unique over all corpora: corpus/path without its extension
        pa.field("corpus", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),  # below data/<corpus>/, with forward slashes
        pa.field("speaker", pa.string(), nullable=False),
        pa.field("sex", pa.string()),  # female, male or null
        pa.field("emotion", pa.string(), nullable=False),
        pa.field("intensity", pa.string()),  # normal, strong or null
        pa.field("text", pa.string()),  # the sentence, as a code or as text
        pa.field("session", pa.string()),  # recording session, where speakers share one
        pa.field("start", pa.float64(), nullable=False),  # seconds within the file
        pa.field("end", pa.float64(), nullable=False),
        pa.field("duration", pa.float64(), nullable=False),  # seconds: end - start
        pa.field("sample_rate", pa.int32(), nullable=False),  # Hz, of the file
        pa.field("channels", pa.int16(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),  # of the file
        pa.field("licence", pa.string(), nullable=False),
    ]
)


ROWS_AT_A_TIME = 4096


@dataclass(frozen=True)
class Labelled:
    """What a reader knows about an utterance from names and label files, before its audio is opened.

    `start` and `end` are in seconds; `end` None means the end of the file, `licence` None the corpus's licence.
    """

    path: str
    speaker: str
    emotion: str
    sex: str | None = None
    intensity: str | None = None
    text: str | None = None
    session: str | None = None
    start: float = 0.0
    end: float | None = None
    licence: str | None = None


@dataclass(frozen=True)
class Rejected:
    """A file that cannot be used, and why. `reason` is one of a few fixed words, `detail` a sentence."""

    path: str
    reason: str
    detail: str


@dataclass(frozen=True)
class Utterance:
    """One row of the table; the fields are SCHEMA's."""

    id: str
    corpus: str
    path: str
    speaker: str
    sex: str | None
    emotion: str
    intensity: str | None
    text: str | None
    session: str | None
    start: float
    end: float
    duration: float
    sample_rate: int
    channels: int
    sha256: str
    licence: str


def write_utterances(path: Path | str, utterances: Iterable[Utterance]) -> None:
    """Writes the table as Parquet, sorted by id.

    Raises:
        UserError: two utterances share an id.
    """
    rows = sorted((asdict(utterance) for utterance in utterances), key=lambda row: row["id"])
    for one, other in itertools.pairwise(rows):
        if one["id"] == other["id"]:
            raise UserError(
                f"{one['id']}: two utterances have this id ({one['path']}, {other['path']}): rename one file"
            )
    with atomic_file(path) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), temporary)


def read_utterances(path: Path | str) -> pd.DataFrame:
    """Reads the table: one row per utterance, columns as in SCHEMA, sorted by id.

    Raises:
        UserError: no such file, or another schema.
    """
    with _opened(path) as file:
        return file.read().to_pandas()


def count_utterances(path: Path | str) -> int:
    """Returns the number of rows. Raises UserError as read_utterances."""
    with _opened(path) as file:
        return file.metadata.num_rows


def iterate_utterances(path: Path | str, columns: Sequence[str], places: range) -> Iterator[tuple[Any, ...]]:
    """Yields some columns of the rows at `places` (from 0, step 1), row by row; the whole table is never in memory.

    Raises:
        UserError: as read_utterances.
    """
    first = 0
    with _opened(path) as file:
        for batch in file.iter_batches(ROWS_AT_A_TIME, columns=list(columns)):
            some = batch.slice(max(places.start - first, 0), max(places.stop - max(places.start, first), 0))
            first += len(batch)
            values = some.to_pydict()  # columns in the file's order
            yield from zip(*(values[column] for column in columns), strict=True)
            if first >= places.stop:
                return


def iterate_all(path: Path | str, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Yields some columns of every row, row by row. Raises UserError as read_utterances."""
    return iterate_utterances(path, columns, range(count_utterances(path)))


def _opened(path: Path | str) -> pq.ParquetFile:
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such table: run the ingest step (dvc repro)")
    file = pq.ParquetFile(path)
    if not file.schema_arrow.equals(SCHEMA):
        raise UserError(f"{path}: is not a table of utterances in the current format: run the ingest step again")
    return file

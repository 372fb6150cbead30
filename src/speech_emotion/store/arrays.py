"""Arrays by utterance id in memory-mapped Arrow shards: memory does not grow with the corpus."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from speech_emotion.errors import UserError

SHARD_BYTES = 64 * 2**20  # a shard is closed once it holds this much
BATCH_BYTES = 4 * 2**20  # written at a time: limits the memory for writing and the number of headers read on opening
BATCH_ROWS = 4096  # the most arrays written at a time
SHARD = re.compile(r"shard-(\d{5,})\.arrow")

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),  # the utterance a copy was made from; its own id otherwise
        pa.field("shape", pa.list_(pa.int32()), nullable=False),
        pa.field("values", pa.large_list(pa.float32()), nullable=False),
    ]
)


class ArrayWriter:
    """Writes float32 arrays of any shape into `folder` (created if absent) as shard-00000.arrow and so on.

    The bytes depend only on the arrays and their order. A shard contains utterances or augmented copies, never both;
    without any array one empty shard is written. Use it as a context manager.
    """

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._shard = None
        self._count = 0
        self._written = 0
        self._rows: list[tuple[str, str, np.ndarray]] = []
        self._waiting = 0
        self._copies = False

    def add(self, id: str, array: np.ndarray, source: str | None = None) -> None:
        """Appends one array.

        Args:
            id: of the array.
            array: any shape, converted to float32.
            source: id of the utterance that it was derived from; None if it is the utterance itself.
        """
        source = source or id
        if (source != id) != self._copies:
            if self._rows or self._shard is not None:
                self._end_shard()
            self._copies = source != id
        values = np.array(array, dtype=np.float32, order="C")
        self._rows.append((id, source, values))
        self._waiting += values.nbytes
        if self._waiting >= BATCH_BYTES or len(self._rows) == BATCH_ROWS:
            self._write_batch()
            if self._written >= SHARD_BYTES:
                self._end_shard()

    def close(self) -> None:
        """Writes the remaining arrays and closes the open shard."""
        if self._rows or self._shard is not None or not self._count:
            self._end_shard()

    def _end_shard(self) -> None:
        self._write_batch()
        self._shard.close()
        self._shard = None

    def _write_batch(self) -> None:
        if self._shard is None:
            self._shard = pa.ipc.new_file(str(shard_path(self.folder, self._count)), SCHEMA)
            self._count += 1
            self._written = 0
        if not self._rows:
            return
        ids, sources, arrays = zip(*self._rows, strict=True)
        offsets = np.cumsum([0, *(array.size for array in arrays)], dtype=np.int64)
        values = np.concatenate([array.reshape(-1) for array in arrays])
        batch = pa.record_batch(
            [
                pa.array(ids, pa.string()),
                pa.array(sources, pa.string()),
                pa.array([array.shape for array in arrays], pa.list_(pa.int32())),
                pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(values)),
            ],
            schema=SCHEMA,
        )
        self._shard.write_batch(batch)
        self._written += self._waiting
        self._rows, self._waiting = [], 0

    def __enter__(self) -> "ArrayWriter":
        return self

    def __exit__(self, *exc) -> None:
        self.close()


class ArrayStore:
    """Reads the arrays of an ArrayWriter as read-only views on the mapped files.

    Opening reads only ids and sizes: about 200 bytes for each id, whatever the size of its array.

    Args:
        folder: of the shards.
        most_copies: the number of copies of each utterance to use, the first ones; None for all.

    Raises:
        UserError: the folder has no shards, one is missing, or an id occurs twice; later, an array is missing.
    """

    def __init__(self, folder: Path | str, most_copies: int | None = None):
        self.folder = Path(folder)
        self._most_copies = most_copies
        shards = shards_of(self.folder)
        if not shards:
            raise UserError(f"{self.folder}: has no arrays: run the step that makes them (dvc repro)")
        for number, shard in enumerate(shards):
            if shard != shard_path(self.folder, number):
                raise UserError(
                    f"{shard_path(self.folder, number)}: is missing: run the step that makes it again (dvc repro)"
                )
        self._rows: dict[str, int] = {}
        self._sources: dict[str, str] = {}  # only of copies
        self._copies: dict[str, list[str]] = {}
        self._batches: list[_Batch] = []
        self._starts: list[int] = []  # row of each batch's first array
        for shard in shards:
            for batch in read_batches(shard):
                self._add(shard, batch)

    def _add(self, shard: Path, batch: pa.RecordBatch) -> None:
        self._starts.append(len(self._rows))
        self._batches.append(_Batch(batch))
        for id in batch.column(0).to_pylist():
            if id in self._rows:
                raise UserError(f"{shard}: {id} occurs twice: remove {self.folder} and make it again (dvc repro)")
            self._rows[id] = len(self._rows)
        copies = batch.select([0, 1]).filter(pc.not_equal(batch.column(0), batch.column(1)))
        for id, source in zip(copies.column(0).to_pylist(), copies.column(1).to_pylist(), strict=True):
            self._sources[id] = source
            self._copies.setdefault(source, []).append(id)

    @property
    def ids(self) -> list[str]:
        """The ids in the order written."""
        return list(self._rows)

    def source(self, id: str) -> str:
        """The id of the utterance that a copy was derived from; for an utterance its own id."""
        return self._sources.get(id, id)

    def copies(self, source: str) -> list[str]:
        """The ids of an utterance's augmented copies, in the order written, without the utterance itself."""
        return self._copies.get(source, [])[: self._most_copies]

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, id: str) -> bool:
        return id in self._rows

    def __getitem__(self, id: str) -> np.ndarray:
        if (row := self._rows.get(id)) is None:
            raise UserError(f"{self.folder}: has no array of {id}: run the step that makes it again (dvc repro)")
        place = bisect_right(self._starts, row) - 1
        return self._batches[place].array(row - self._starts[place])

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        for id in self._rows:
            yield id, self[id]


class _Batch:
    """The arrays of one record batch, as views."""

    def __init__(self, batch: pa.RecordBatch):
        shapes, values = batch.column(2), batch.column(3)
        self._dims = shapes.values.to_numpy()
        self._dim_places = shapes.offsets.to_numpy()
        self._values = values.values.to_numpy()
        self._value_places = values.offsets.to_numpy()

    def array(self, row: int) -> np.ndarray:
        shape = self._dims[self._dim_places[row] : self._dim_places[row + 1]]
        return self._values[self._value_places[row] : self._value_places[row + 1]].reshape(shape)


def shard_path(folder: Path, number: int) -> Path:
    """The path of a shard; numbers start at 0."""
    return folder / f"shard-{number:05d}.arrow"


def shards_of(folder: Path) -> list[Path]:
    """The shards of a folder, in order."""
    shards = [path for path in folder.glob("shard-*.arrow") if SHARD.fullmatch(path.name)]
    return sorted(shards, key=lambda path: int(SHARD.fullmatch(path.name)[1]))


def read_batches(shard: Path) -> Iterator[pa.RecordBatch]:
    """The record batches of a shard: views on the mapped file, which stays mapped as long as one of them exists.

    Raises:
        UserError: the shard is damaged.
    """
    with pa.memory_map(str(shard)) as file:  # closed at the end: a large corpus has more shards than a process may open
        try:
            reader = pa.ipc.open_file(file)
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)
        except pa.ArrowInvalid as error:
            raise UserError(f"{shard}: is damaged ({error}): make it again (dvc repro)") from None

"""Arrays by utterance id in memory-mapped Arrow shards: memory does not grow with the corpus."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from speech_emotion.errors import UserError

SHARD_BYTES = 64 * 2**20  # a shard is closed once it holds this much, so that writing stays flat in memory too
SHARD = re.compile(r"shard-(\d{5})\.arrow")

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),  # the utterance a copy was made from; its own id otherwise
        pa.field("shape", pa.list_(pa.int32()), nullable=False),
        pa.field("values", pa.large_list(pa.float32()), nullable=False),
    ]
)


class ArrayWriter:
    """Writes float32 arrays of any shape into `folder` (made if absent) as shard-00000.arrow and so on.

    The bytes depend on the arrays and their order alone. Use as a context manager.
    """

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._shard = None
        self._count = 0
        self._written = 0

    def add(self, id: str, array: np.ndarray, source: str | None = None) -> None:
        """Appends one array; `source` is the id of the utterance that it was derived from."""
        if self._shard is None:
            path = self.folder / f"shard-{self._count:05d}.arrow"
            self._shard = pa.ipc.new_file(str(path), SCHEMA)
            self._count += 1
            self._written = 0
        values = np.ascontiguousarray(array, dtype=np.float32)
        flat = pa.array(values.reshape(-1))
        offsets = pa.array([0, values.size], pa.int64())
        batch = pa.record_batch(
            [
                pa.array([id]),
                pa.array([source or id]),
                pa.array([list(values.shape)], pa.list_(pa.int32())),
                pa.LargeListArray.from_arrays(offsets, flat),
            ],
            schema=SCHEMA,
        )
        self._shard.write_batch(batch)
        self._written += values.nbytes
        if self._written >= SHARD_BYTES:
            self.close()

    def close(self) -> None:
        """Ends the open shard."""
        if self._shard is not None:
            self._shard.close()
            self._shard = None

    def __enter__(self) -> "ArrayWriter":
        return self

    def __exit__(self, *exc) -> None:
        self.close()


class ArrayStore:
    """Reads what ArrayWriter wrote; arrays are read-only views on the mapped file.

    Attributes:
        ids: the ids in the order written.
        sources: id -> id of the utterance that the array was derived from.

    Raises:
        UserError: the folder holds no shard.
    """

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        shards = sorted(path for path in self.folder.glob("shard-*.arrow") if SHARD.fullmatch(path.name))
        if not shards:
            raise UserError(f"{self.folder}: holds no arrays: run the step that makes them (dvc repro)")
        self.sources: dict[str, str] = {}
        self._places: dict[str, tuple[pa.ipc.RecordBatchFileReader, int]] = {}
        for shard in shards:
            reader = pa.ipc.open_file(pa.memory_map(str(shard)))
            for number in range(reader.num_record_batches):
                batch = reader.get_batch(number)
                id = batch.column(0)[0].as_py()
                if id in self._places:
                    raise UserError(f"{shard}: {id} is there twice: remove {self.folder} and make it again")
                self._places[id] = (reader, number)
                self.sources[id] = batch.column(1)[0].as_py()

    @property
    def ids(self) -> list[str]:
        return list(self._places)

    def copies(self, source: str) -> list[str]:
        """The ids of the augmented copies of an utterance, in the order written; the utterance is not one."""
        return self._copies().get(source, [])

    def _copies(self) -> dict[str, list[str]]:
        if not hasattr(self, "_copies_of"):
            self._copies_of: dict[str, list[str]] = {}
            for id, source in self.sources.items():
                if id != source:
                    self._copies_of.setdefault(source, []).append(id)
        return self._copies_of

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, id: str) -> bool:
        return id in self._places

    def __getitem__(self, id: str) -> np.ndarray:
        reader, number = self._places[id]
        batch = reader.get_batch(number)
        shape = batch.column(2)[0].as_py()
        return batch.column(3).values.to_numpy(zero_copy_only=True).reshape(shape)

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        for id in self._places:
            yield id, self[id]

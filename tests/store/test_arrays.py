import os

import numpy as np
import pytest

from speech_emotion.errors import UserError
from speech_emotion.store import arrays
from speech_emotion.store.arrays import ArrayStore, ArrayWriter, read_batches, shards_of


def _write(folder, count=5):
    rng = np.random.default_rng(0)
    written = {f"u{n}": rng.normal(size=(n + 1, 3)).astype(np.float32) for n in range(count)}
    with ArrayWriter(folder) as writer:
        for id, array in written.items():
            writer.add(id, array)
            writer.add(f"{id}#1", array * 2, source=id)
    return written


def test_arrays_are_read_as_written(tmp_path):
    written = _write(tmp_path)
    store = ArrayStore(tmp_path)
    assert len(store) == 10
    for id, array in written.items():
        np.testing.assert_array_equal(store[id], array)
        assert store.copies(id) == [f"{id}#1"]
        assert store.source(f"{id}#1") == id
        assert store.source(id) == id
    assert store.copies("u0#1") == []


def test_arrays_are_read_only_views(tmp_path):
    _write(tmp_path)
    with pytest.raises(ValueError):
        ArrayStore(tmp_path)["u0"][0] = 1


def test_full_shards_are_closed_and_all_are_read_as_one(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "SHARD_BYTES", 64)
    written = _write(tmp_path)
    assert len(list(tmp_path.glob("shard-*.arrow"))) > 2
    store = ArrayStore(tmp_path)
    np.testing.assert_array_equal(store["u4"], written["u4"])


def test_bytes_depend_only_on_the_arrays(tmp_path):
    _write(tmp_path / "a")
    _write(tmp_path / "b")
    one, other = ((tmp_path / name / "shard-00000.arrow").read_bytes() for name in "ab")
    assert one == other


def test_scalars_and_empty_arrays_keep_their_shape(tmp_path):
    with ArrayWriter(tmp_path) as writer:
        writer.add("vector", np.arange(4))
        writer.add("empty", np.zeros((0, 7)))
    store = ArrayStore(tmp_path)
    assert store["vector"].shape == (4,)
    assert store["empty"].shape == (0, 7)


def test_an_empty_folder_is_refused_with_the_cure(tmp_path):
    with pytest.raises(UserError, match="has no arrays: run the step"):
        ArrayStore(tmp_path)


def test_a_duplicate_id_is_refused(tmp_path):
    with ArrayWriter(tmp_path) as writer:
        writer.add("a", np.zeros(1))
        writer.add("a", np.ones(1))
    with pytest.raises(UserError, match="a occurs twice"):
        ArrayStore(tmp_path)


def test_no_arrays_give_an_empty_store(tmp_path):
    with ArrayWriter(tmp_path):
        pass
    assert ArrayStore(tmp_path).ids == []


def test_utterances_and_copies_never_share_a_shard(tmp_path):
    with ArrayWriter(tmp_path) as writer:
        for id in ("a", "b"):
            writer.add(id, np.zeros(3))
        for id in ("a", "b"):
            writer.add(f"{id}#1", np.zeros(3), id)
    found = [[batch.column("id").to_pylist() for batch in read_batches(shard)] for shard in shards_of(tmp_path)]
    assert found == [[["a", "b"]], [["a#1", "b#1"]]]


def test_a_batch_is_limited_in_arrays_and_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "BATCH_ROWS", 3)
    monkeypatch.setattr(arrays, "BATCH_BYTES", 400)
    with ArrayWriter(tmp_path) as writer:
        for number, size in enumerate((1, 1, 1, 1, 200, 1)):
            writer.add(str(number), np.full(size, number))
    (shard,) = shards_of(tmp_path)
    assert [len(batch) for batch in read_batches(shard)] == [3, 2, 1]
    assert [array[0] for _, array in ArrayStore(tmp_path)] == [0, 1, 2, 3, 4, 5]


def test_an_array_may_change_after_it_was_added(tmp_path):
    array = np.zeros(3, np.float32)
    with ArrayWriter(tmp_path) as writer:
        writer.add("a", array)
        array[:] = 1
        writer.add("b", array)
    store = ArrayStore(tmp_path)
    assert store["a"].tolist() == [0, 0, 0]
    assert store["b"].tolist() == [1, 1, 1]


def test_a_store_keeps_no_file_open(tmp_path):
    _write(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    store = ArrayStore(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before
    assert store["u0"].size


def test_a_damaged_shard_is_reported(tmp_path):
    _write(tmp_path)
    shard = shards_of(tmp_path)[0]
    shard.write_bytes(shard.read_bytes()[:-20])
    with pytest.raises(UserError, match=r"shard-00000\.arrow: is damaged .*: make it again"):
        ArrayStore(tmp_path)


def test_an_empty_shard_file_is_reported(tmp_path):
    (tmp_path / "shard-00000.arrow").touch()
    with pytest.raises(UserError, match=r"shard-00000\.arrow: is damaged"):
        ArrayStore(tmp_path)


def test_a_missing_shard_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "SHARD_BYTES", 64)
    _write(tmp_path)
    (tmp_path / "shard-00001.arrow").unlink()
    with pytest.raises(UserError, match=r"shard-00001\.arrow: is missing: run the step"):
        ArrayStore(tmp_path)


def test_a_missing_array_is_reported(tmp_path):
    _write(tmp_path)
    with pytest.raises(UserError, match="has no array of u9: run the step that makes it again"):
        ArrayStore(tmp_path)["u9"]

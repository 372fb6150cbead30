import numpy as np
import pytest

from speech_emotion.errors import UserError
from speech_emotion.store import arrays
from speech_emotion.store.arrays import ArrayStore, ArrayWriter


def _write(folder, count=5):
    rng = np.random.default_rng(0)
    written = {f"u{n}": rng.normal(size=(n + 1, 3)).astype(np.float32) for n in range(count)}
    with ArrayWriter(folder) as writer:
        for id, array in written.items():
            writer.add(id, array)
            writer.add(f"{id}#1", array * 2, source=id)
    return written


def test_arrays_come_back_as_written(tmp_path):
    written = _write(tmp_path)
    store = ArrayStore(tmp_path)
    assert len(store) == 10
    for id, array in written.items():
        np.testing.assert_array_equal(store[id], array)
        assert store.copies(id) == [f"{id}#1"]
        assert store.sources[f"{id}#1"] == id
    assert store.copies("u0#1") == []


def test_arrays_are_views_that_cannot_be_written(tmp_path):
    _write(tmp_path)
    with pytest.raises(ValueError):
        ArrayStore(tmp_path)["u0"][0] = 1


def test_shards_close_when_full_and_read_as_one(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "SHARD_BYTES", 64)
    written = _write(tmp_path)
    assert len(list(tmp_path.glob("shard-*.arrow"))) > 2
    store = ArrayStore(tmp_path)
    np.testing.assert_array_equal(store["u4"], written["u4"])


def test_bytes_depend_on_the_arrays_alone(tmp_path):
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


def test_empty_folder_is_refused_with_the_cure(tmp_path):
    with pytest.raises(UserError, match="holds no arrays: run the step"):
        ArrayStore(tmp_path)


def test_one_id_twice_is_refused(tmp_path):
    with ArrayWriter(tmp_path) as writer:
        writer.add("a", np.zeros(1))
        writer.add("a", np.ones(1))
    with pytest.raises(UserError, match="a is there twice"):
        ArrayStore(tmp_path)

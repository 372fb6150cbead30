"""Joining the parts of folders of arrays."""

import itertools
import os

import numpy as np
import pytest

from speech_emotion.errors import UserError
from speech_emotion.store import arrays
from speech_emotion.store.arrays import ArrayStore, ArrayWriter
from speech_emotion.store.parts import join

IDS = [f"corpus/{number:02d}" for number in range(10)]


def array(id):
    return np.random.default_rng(list(id.encode())).normal(size=(len(id), 3)).astype(np.float32)


def write(folder, ids, copies=0, text="same"):
    """A step's output: arrays two folders down, utterances before copies, and a small file beside them."""
    with ArrayWriter(folder / "plain" / "mspec") as writer:
        for id in ids:
            writer.add(id, array(id))
        for id in ids:
            for number in range(1, copies + 1):
                writer.add(f"{id}#{number}", array(f"{id}#{number}"), id)
    (folder / "names.json").write_text(text)
    return folder


def cut(count):
    bounds = [number * len(IDS) // count for number in range(count + 1)]
    return [IDS[first:last] for first, last in itertools.pairwise(bounds)]


@pytest.mark.parametrize("copies", [0, 2])
@pytest.mark.parametrize("count", [1, 3, 7, 13])
def test_joined_parts_equal_the_output_without_parts(tmp_path, monkeypatch, count, copies):
    monkeypatch.setattr(arrays, "BATCH_BYTES", 150)
    monkeypatch.setattr(arrays, "SHARD_BYTES", 400)
    whole = ArrayStore(write(tmp_path / "whole", IDS, copies) / "plain/mspec")
    parts = [write(tmp_path / f"{number}", ids, copies) for number, ids in enumerate(cut(count))]
    join(parts, tmp_path / "joined")
    joined = ArrayStore(tmp_path / "joined/plain/mspec")
    assert joined.ids == whole.ids
    for id in whole.ids:
        np.testing.assert_array_equal(joined[id], whole[id])
        assert joined.source(id) == whole.source(id)
        assert joined.copies(id) == whole.copies(id)
    assert (tmp_path / "joined/names.json").read_text() == "same"


def test_the_order_is_right_with_more_than_ten_shards_per_part(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "BATCH_BYTES", 1)
    monkeypatch.setattr(arrays, "SHARD_BYTES", 1)
    parts = [write(tmp_path / f"{number}", ids, copies=1) for number, ids in enumerate(cut(2))]
    join(parts, tmp_path / "joined")
    assert ArrayStore(tmp_path / "joined/plain/mspec").ids == [*IDS, *(f"{id}#1" for id in IDS)]


def test_shards_are_linked_if_possible(tmp_path):
    part = write(tmp_path / "part", IDS)
    join([part], tmp_path / "joined")
    assert (tmp_path / "joined/plain/mspec/shard-00000.arrow").samefile(part / "plain/mspec/shard-00000.arrow")


def test_shards_are_copied_if_they_cannot_be_linked(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    part = write(tmp_path / "part", IDS)
    join([part], tmp_path / "joined")
    assert not (tmp_path / "joined/plain/mspec/shard-00000.arrow").samefile(part / "plain/mspec/shard-00000.arrow")
    assert ArrayStore(tmp_path / "joined/plain/mspec").ids == IDS


def test_a_part_of_links_into_a_cache_is_joined_from_the_linked_files(tmp_path):
    part = write(tmp_path / "part", IDS)
    shard = part / "plain/mspec/shard-00000.arrow"
    shard.rename(tmp_path / "cached")
    shard.symlink_to(tmp_path / "cached")
    join([part], tmp_path / "joined")
    assert not (tmp_path / "joined/plain/mspec/shard-00000.arrow").is_symlink()


def test_parts_without_arrays_are_joined_to_an_empty_store(tmp_path):
    join([write(tmp_path / "a", []), write(tmp_path / "b", [])], tmp_path / "joined")
    assert ArrayStore(tmp_path / "joined/plain/mspec").ids == []


def test_an_id_in_two_parts_is_reported_with_both(tmp_path):
    parts = [write(tmp_path / "a", IDS[:4]), write(tmp_path / "b", IDS[3:])]
    with pytest.raises(UserError, match=r"corpus/03: is in parts \S*a/plain/mspec and \S*b/plain/mspec"):
        join(parts, tmp_path / "joined")
    assert not (tmp_path / "joined").exists()


def test_a_small_file_that_differs_is_reported_with_both_parts(tmp_path):
    parts = [write(tmp_path / "a", IDS[:4]), write(tmp_path / "b", IDS[4:], text="diff")]
    with pytest.raises(UserError, match=r"names\.json: differs between parts \S*a and \S*b"):
        join(parts, tmp_path / "joined")


def test_a_folder_of_arrays_missing_in_one_part_is_reported(tmp_path):
    parts = [write(tmp_path / "a", IDS[:4]), write(tmp_path / "b", IDS[4:])]
    ArrayWriter(parts[1] / "plain/mfcc").close()
    with pytest.raises(UserError, match=r"plain/mfcc: is in part \S*b, not in part \S*a"):
        join(parts, tmp_path / "joined")
    with pytest.raises(UserError, match=r"plain/mfcc: is in part \S*b, not in part \S*a"):
        join(parts[::-1], tmp_path / "joined")


def test_a_missing_part_is_reported(tmp_path):
    with pytest.raises(UserError, match=r"part \S*nowhere: is not a folder"):
        join([write(tmp_path / "a", IDS), tmp_path / "nowhere"], tmp_path / "joined")


def test_no_parts_are_refused(tmp_path):
    with pytest.raises(UserError, match="parts = none"):
        join([], tmp_path / "joined")


def test_an_error_keeps_the_present_folder(tmp_path):
    join([write(tmp_path / "a", IDS[:4])], tmp_path / "joined")
    with pytest.raises(UserError):
        join([write(tmp_path / "b", IDS), write(tmp_path / "c", IDS)], tmp_path / "joined")
    assert ArrayStore(tmp_path / "joined/plain/mspec").ids == IDS[:4]

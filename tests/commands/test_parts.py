"""The command join, on feature stores made in parts."""

import numpy as np

from speech_emotion import cli
from speech_emotion.store.arrays import ArrayStore, ArrayWriter


def test_parts_are_joined_in_the_order_given(tmp_path):
    for name, ids in (("one", ["a", "b"]), ("two", ["c"])):
        with ArrayWriter(tmp_path / name / "plain") as writer:
            for id in ids:
                writer.add(id, np.zeros(3))
    assert cli.main(["join", *(str(tmp_path / name) for name in ("joined", "one", "two"))]) == 0
    assert ArrayStore(tmp_path / "joined/plain").ids == ["a", "b", "c"]


def test_parts_that_overlap_end_with_one_line(tmp_path, capsys):
    with ArrayWriter(tmp_path / "one/plain") as writer:
        writer.add("a", np.zeros(3))
    assert cli.main(["join", *(str(tmp_path / name) for name in ("joined", "one", "one"))]) == 1
    assert capsys.readouterr().err.startswith("error: a: is in parts ")

"""The table of utterances, whole and row by row."""

import pytest

from speech_emotion.corpora import table
from speech_emotion.corpora.table import (
    Utterance,
    count_utterances,
    iterate_utterances,
    read_utterances,
    write_utterances,
)
from speech_emotion.errors import UserError

IDS = [f"made/{number:02d}" for number in range(10)]


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A table of ten utterances, read three rows at a time."""
    monkeypatch.setattr(table, "ROWS_AT_A_TIME", 3)
    rows = [
        Utterance(
            id, "made", f"{id}.wav", "s1", None, "anger", None, None, None, 0.5, 1.5, 1.0, 16000, 1, "0" * 64, "CC0-1.0"
        )
        for id in reversed(IDS)
    ]  # fmt: skip
    write_utterances(tmp_path / "utterances.parquet", rows)
    return tmp_path / "utterances.parquet"


def test_rows_are_sorted_by_id(path):
    assert list(read_utterances(path)["id"]) == IDS
    assert count_utterances(path) == 10


@pytest.mark.parametrize("first", [0, 1, 3, 5, 9, 10])
@pytest.mark.parametrize("last", [0, 1, 3, 6, 8, 10])
def test_a_range_of_rows_matches_the_whole_table(path, first, last):
    found = list(iterate_utterances(path, ("path", "id", "end"), range(first, last)))
    assert found == [(f"{id}.wav", id, 1.5) for id in IDS[first:last]]


@pytest.mark.parametrize("read", [read_utterances, count_utterances])
def test_a_table_that_is_missing_is_named(tmp_path, read):
    with pytest.raises(UserError, match=r"none\.parquet: no such table: run the ingest step"):
        read(tmp_path / "none.parquet")


def test_a_table_of_another_schema_is_refused(path):
    read_utterances(path)[["id", "path"]].to_parquet(path)
    with pytest.raises(UserError, match="is not a table of utterances in the current format"):
        count_utterances(path)

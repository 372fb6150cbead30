"""Which reader reads a corpus."""

import pytest

from speech_emotion.corpora import emodb, own
from speech_emotion.corpora.readers import MODULES, reader_of
from speech_emotion.errors import UserError


def test_known_corpora_are_read_by_name(tmp_path):
    assert set(MODULES) == {"demo", "emodb", "ravdess", "iemocap", "casia"}
    reader = reader_of("emodb", tmp_path)
    assert (reader.name, reader.licence, reader.read) == ("emodb", "CC0-1.0", emodb.read)


def test_a_table_makes_an_own_corpus(tmp_path):
    (tmp_path / "utterances.csv").touch()
    assert reader_of("mine", tmp_path).read is own.read


def test_a_table_does_not_replace_the_reader_of_a_known_corpus(tmp_path):
    (tmp_path / "utterances.csv").touch()
    assert reader_of("emodb", tmp_path).read is emodb.read


def test_neither_name_nor_table(tmp_path):
    with pytest.raises(UserError, match=r"corpus = mine: is none of demo, .*utterances\.csv"):
        reader_of("mine", tmp_path)

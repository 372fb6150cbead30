from pathlib import Path

import pandas as pd
import pytest
import yaml

from speech_emotion.corpora.protocols import load_protocol, select_utterances
from speech_emotion.errors import UserError

PROTOCOLS = Path(__file__).parents[2] / "protocols"


def _protocol(tmp_path, **changes):
    raw = {
        "title": "t",
        "corpora": "any",
        "speaker_independent": True,
        "labels": {"anger": "anger", "excitement": "happiness", "happiness": "happiness"},
        "folds": {"each": "speaker"},
        "inner": "next",
    } | changes
    (tmp_path / "p.yaml").write_text(yaml.safe_dump({key: value for key, value in raw.items() if value is not None}))
    return load_protocol("p", tmp_path)


def _table(emotions, corpus="demo"):
    return pd.DataFrame(
        {"id": [f"u{n}" for n in range(len(emotions))], "corpus": corpus, "speaker": "a", "emotion": emotions}
    )


def test_emotions_are_mapped_merged_and_left_out(tmp_path):
    rows, labels = select_utterances(_table(["anger", "excitement", "happiness", "fear"]), _protocol(tmp_path))
    assert labels == ("anger", "happiness")
    assert list(rows["label"]) == ["anger", "happiness", "happiness"]


def test_any_keeps_the_labels(tmp_path):
    _, labels = select_utterances(_table(["rage", "anger"]), _protocol(tmp_path, labels="any"))
    assert labels == ("anger", "rage")


def test_another_corpus_is_refused(tmp_path):
    with pytest.raises(UserError, match="the table holds demo"):
        select_utterances(_table(["anger"]), _protocol(tmp_path, corpora=["emodb"]))


def test_one_class_is_refused(tmp_path):
    with pytest.raises(UserError, match="need two classes"):
        select_utterances(_table(["anger", "anger"]), _protocol(tmp_path))


def test_where_keeps_the_listed_values(tmp_path):
    protocol = _protocol(tmp_path, where={"speaker": ["b"]}, labels="any")
    table = _table(["anger", "fear", "fear"])
    table["speaker"] = ["a", "b", "b"]
    table.loc[2, "emotion"] = "anger"
    rows, _ = select_utterances(table, protocol)
    assert list(rows["id"]) == ["u1", "u2"]
    with pytest.raises(UserError, match="must be a column"):
        select_utterances(table, _protocol(tmp_path, where={"colour": ["b"]}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"speaker_independent": False}, "speaker_independent = False"),
        (
            {"folds": {"random": {"test_share": 0.2, "valid_share": 0.1, "repeats": 1, "seed": 0}}},
            "speaker_independent = True",
        ),
        ({"inner": None}, "inner = None: must be next"),
        ({"folds": {"each": "speaker", "fixed": {"test": ["1"], "valid": ["2"]}}}, "exactly one of"),
        ({"folds": {}}, "exactly one of"),
    ],
)
def test_a_protocol_that_contradicts_itself_is_refused(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        _protocol(tmp_path, **changes)


def test_an_unknown_protocol_names_the_known_ones():
    with pytest.raises(UserError, match="emodb-loso"):
        load_protocol("nothing", PROTOCOLS)

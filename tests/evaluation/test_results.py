"""Each fault in the files that training writes is refused by name, with a cure."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from made_up_results import LABELS, predictions, units, utterances, write_system
from speech_emotion.errors import UserError
from speech_emotion.evaluation.results import read_result, read_results
from speech_emotion.params import Budget

ROWS = utterances()
TABLE = pd.DataFrame([{"id": row.id, "speaker": row.speaker} for row in ROWS])


def asked(systems=("a", "b"), protocol="emodb-loso", seeds=(0,), folds=None) -> tuple[tuple[str, ...], Budget]:
    """Systems and budget for which results are read."""
    budget = Budget(protocol=protocol, candidates=list(systems), seeds=list(seeds), max_epochs=3, folds=folds)
    return systems, budget


def refused(tmp_path, table, match, **changed):
    write_system(tmp_path / "a", table, **changed)
    with pytest.raises(UserError, match=match) as caught:
        read_result(tmp_path / "a", "a")
    assert "dvc repro" in str(caught.value)


def test_results_come_in_the_order_asked_for_sorted_by_seed_fold_and_id(tmp_path):
    for system in ("a", "b"):
        table = predictions(ROWS, system, seeds=(0, 1))
        write_system(tmp_path / system, table.sample(frac=1, random_state=3))
    results = read_results(tmp_path, "emodb", *asked(("b", "a"), seeds=(1, 0)), TABLE)
    assert [one.system for one in results] == ["b", "a"]
    keys = results[0].predictions[["seed", "fold", "id"]]
    assert keys.equals(keys.sort_values(["seed", "fold", "id"]))
    assert results[0].labels == LABELS
    assert results[0].probabilities.shape == (2 * len(ROWS), 4)
    assert np.array_equal(results[0].probabilities.argmax(axis=1), results[0].predicted)
    assert (results[0].confidence == results[0].probabilities.max(axis=1)).all()
    assert [LABELS[code] for code in results[0].truth] == results[0].predictions["emotion"].tolist()


def test_systems_not_asked_for_are_ignored(tmp_path):
    write_system(tmp_path / "a", predictions(ROWS, "a"))
    (tmp_path / "stray").mkdir()
    assert [one.system for one in read_results(tmp_path, "emodb", *asked(("a",)), TABLE)] == ["a"]


def test_systems_that_disagree_on_independence_are_refused(tmp_path):
    write_system(tmp_path / "a", predictions(ROWS, "a"))
    write_system(tmp_path / "b", predictions(ROWS, "b"), speaker_independent=False)
    with pytest.raises(UserError, match="b: speaker_independent = False: a has True"):
        read_results(tmp_path, "emodb", *asked(), TABLE)


def test_a_missing_folder_is_named(tmp_path):
    write_system(tmp_path / "a", predictions(ROWS, "a"))
    with pytest.raises(UserError, match=r"b: no results of system b: run the train step for b \(dvc repro\)"):
        read_results(tmp_path, "emodb", *asked(), TABLE)


@pytest.mark.parametrize("name", ["predictions.parquet", "curves.csv", "units.json"])
def test_a_missing_file_is_named(tmp_path, name):
    write_system(tmp_path / "a", predictions(ROWS, "a"))
    (tmp_path / "a" / name).unlink()
    with pytest.raises(UserError, match=f"{name}: no such file: run the train step for a"):
        read_result(tmp_path / "a", "a")


@pytest.mark.parametrize("name", ["predictions.parquet", "curves.csv", "units.json"])
def test_a_damaged_file_is_named(tmp_path, name):
    write_system(tmp_path / "a", predictions(ROWS, "a"))
    (tmp_path / "a" / name).write_bytes(b"\x00garbage")
    with pytest.raises(UserError, match=name):
        read_result(tmp_path / "a", "a")


def test_curves_without_a_column_or_an_epoch_are_refused(tmp_path):
    write_system(tmp_path / "a", predictions(ROWS, "a"))
    path = tmp_path / "a" / "curves.csv"
    whole = pd.read_csv(path)
    whole.drop(columns="valid_ua").to_csv(path, index=False)
    with pytest.raises(UserError, match=r"curves.csv: column valid_ua is missing"):
        read_result(tmp_path / "a", "a")
    whole.astype({"epoch": float}).replace({"epoch": {2.0: np.nan}}).to_csv(path, index=False)
    with pytest.raises(UserError, match=r"curves.csv: epoch: is empty in row 1"):
        read_result(tmp_path / "a", "a")


def test_epochs_are_whole_numbers_however_they_are_written(tmp_path):
    write_system(tmp_path / "a", predictions(ROWS, "a"))
    path = tmp_path / "a" / "curves.csv"
    pd.read_csv(path).astype({"epoch": float}).to_csv(path, index=False)
    assert read_result(tmp_path / "a", "a").curves["epoch"].tolist()[:2] == [1, 2]
    assert read_result(tmp_path / "a", "a").curves["epoch"].dtype == int


def test_a_fact_that_units_json_lacks_is_named(tmp_path):
    table = predictions(ROWS, "a")
    write_system(tmp_path / "a", table)
    facts = units(table)
    del facts["speaker_independent"]
    (tmp_path / "a" / "units.json").write_text(json.dumps(facts))
    with pytest.raises(UserError, match="speaker_independent: is missing"):
        read_result(tmp_path / "a", "a")


def test_a_missing_probability_column_is_named(tmp_path):
    table = predictions(ROWS, "a")
    refused(tmp_path, table.drop(columns="p_neutral"), "column p_neutral is missing", labels=list(LABELS))


def test_a_probability_of_an_undeclared_label_is_named(tmp_path):
    table = predictions(ROWS, "a").assign(p_awe=0.0)
    refused(tmp_path, table, "column p_awe: its label is not among anger", labels=list(LABELS))


@pytest.mark.parametrize("column", ["emotion", "predicted"])
def test_an_undeclared_label_is_named(tmp_path, column):
    table = predictions(ROWS, "a")
    table.loc[4, column] = "awe"
    refused(tmp_path, table, f"{column} = awe: must be one of anger, happiness")


def test_an_empty_cell_is_named(tmp_path):
    table = predictions(ROWS, "a")
    table.loc[4, "speaker"] = None
    refused(tmp_path, table, "speaker: is empty in row 4")


def test_no_prediction_at_all_is_refused(tmp_path):
    table = predictions(ROWS, "a")
    write_system(tmp_path / "a", table)
    table.iloc[:0].to_parquet(tmp_path / "a" / "predictions.parquet")
    with pytest.raises(UserError, match="holds no prediction"):
        read_result(tmp_path / "a", "a")


@pytest.mark.parametrize(
    ("value", "match"),
    [
        (np.nan, "probabilities are not finite"),
        (np.inf, "probabilities are not finite"),
        (-0.2, "a probability is outside 0 to 1"),
        (0.99, "probabilities do not sum to 1"),
    ],
)
def test_bad_probabilities_are_refused_with_the_utterance(tmp_path, value, match):
    table = predictions(ROWS, "a")
    row = table["p_anger"].idxmin()
    table.loc[row, "p_anger"] = value
    refused(tmp_path, table, rf"utterance {table.loc[row, 'id']} in fold .* {match} \(1 such rows\)")


def test_probabilities_in_single_precision_are_accepted(tmp_path):
    table = predictions(ROWS, "a")
    columns = [f"p_{label}" for label in LABELS]
    write_system(tmp_path / "a", table.astype(dict.fromkeys(columns, "float32")))
    assert read_result(tmp_path / "a", "a").probabilities.dtype == float


def test_an_utterance_twice_in_a_fold_is_refused(tmp_path):
    table = predictions(ROWS, "a")
    table = pd.concat([table, table.iloc[[5]]])
    refused(tmp_path, table, rf"{table['id'].iloc[5]}: occurs twice in fold .* of seed 0")


def test_an_utterance_in_two_folds_is_accepted(tmp_path):
    table = predictions(ROWS, "a")
    again = table.iloc[[5]].assign(fold=table["fold"].iloc[-1])
    write_system(tmp_path / "a", pd.concat([table, again]))
    assert len(read_result(tmp_path / "a", "a").predictions) == len(ROWS) + 1


def test_seeds_that_test_different_utterances_are_refused(tmp_path):
    table = predictions(ROWS, "a", seeds=(0, 1)).iloc[:-1]
    refused(tmp_path, table, rf"seed 1: tests other utterances than seed 0 \(1 differ; first: {ROWS[-1].id}")


@pytest.mark.parametrize(
    ("wanted", "match"),
    [
        ({"protocol": "emodb-random"}, "protocol = emodb-loso: the budget of emodb asks for emodb-random"),
        ({"seeds": (0, 1)}, r"seeds = \[0\]: the budget of emodb asks for \[0, 1\]"),
        ({"folds": ["zz"]}, r"folds = \[.*\]: the budget of emodb asks for \['zz'\]"),
    ],
)
def test_results_of_another_budget_are_refused(tmp_path, wanted, match):
    write_system(tmp_path / "a", predictions(ROWS, "a"))
    with pytest.raises(UserError, match=match):
        read_results(tmp_path, "emodb", *asked(("a",), **wanted), TABLE)


def test_results_of_another_corpus_are_refused(tmp_path):
    write_system(tmp_path / "a", predictions(ROWS, "a"))
    with pytest.raises(UserError, match="corpus = emodb: the budget of casia asks for casia"):
        read_results(tmp_path, "casia", *asked(("a",)), TABLE)


def test_results_of_another_system_are_refused(tmp_path):
    write_system(tmp_path / "a", predictions(ROWS, "b"))
    with pytest.raises(UserError, match="a: system = b"):
        read_results(tmp_path, "emodb", *asked(("a",)), TABLE)


def test_a_missing_fold_is_refused(tmp_path):
    table = predictions(ROWS, "a")
    write_system(tmp_path / "a", table[table["fold"] != "m3"], folds=6)
    with pytest.raises(UserError, match="predictions of 5 folds, where the protocol has 6"):
        read_results(tmp_path, "emodb", *asked(("a",)), TABLE)


def test_labels_that_differ_between_systems_are_refused(tmp_path):
    write_system(tmp_path / "a", predictions(ROWS, "a"))
    write_system(tmp_path / "b", predictions(ROWS, "b", labels=(*LABELS, "fear")))
    with pytest.raises(UserError, match=r"b: labels = .*fear: a has anger, happiness, neutral, sadness"):
        read_results(tmp_path, "emodb", *asked(), TABLE)


def test_an_utterance_that_the_table_lacks_is_refused(tmp_path):
    write_system(tmp_path / "a", predictions(ROWS, "a"))
    with pytest.raises(UserError, match=f"utterance {ROWS[0].id}: is not in the table of utterances"):
        read_results(tmp_path, "emodb", *asked(("a",)), TABLE.iloc[1:])


def test_another_speaker_than_the_table_says_is_refused(tmp_path):
    table = predictions(ROWS, "a")
    table.loc[table["id"] == ROWS[3].id, "speaker"] = "m1"
    write_system(tmp_path / "a", table)
    with pytest.raises(UserError, match=f"utterance {ROWS[3].id}: has another speaker"):
        read_results(tmp_path, "emodb", *asked(("a",)), TABLE)


@pytest.mark.parametrize("speaker", ["NA", "null", "03", "1e5"])
def test_speakers_with_names_like_numbers_or_missing_values(tmp_path, speaker):
    rows = [replace(row, speaker=speaker) if row.speaker == "f1" else row for row in ROWS]
    write_system(tmp_path / "a", predictions(rows, "a"))
    assert speaker in set(read_result(tmp_path / "a", "a").curves["fold"])

"""Commands that show and publish results."""

import json
from pathlib import Path

import pytest

from speech_emotion import cli
from speech_emotion.commands import corpus

METRICS = {
    "w1": {"ua": 51.2, "wa": 55.0, "macro_f1": 50.0, "ece": 0.071, "per_class": {"anger": {"recall": 90.0}}},
    "t2": {"ua": 73.1, "wa": 74.0, "macro_f1": 72.0, "ece": 0.05},
}


def write_metrics(value: object) -> None:
    folder = Path("artifacts/evaluate")
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(value if isinstance(value, str) else json.dumps(value))


def test_table_ranks_systems_by_ua_and_says_that_demo_is_synthetic(project, capsys):
    write_metrics(METRICS)
    assert cli.main(["table"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "synthetic" in lines[0]
    assert lines[2].split() == ["system", "UA", "%", "WA", "%", "macro", "F1", "%", "ECE"]
    assert lines[3].split() == ["t2", "73.1", "74.0", "72.0", "0.050"]
    assert lines[4].split() == ["w1", "51.2", "55.0", "50.0", "0.071"]
    assert any("make ui" in line for line in lines)


def test_table_of_a_real_corpus_is_not_labelled_synthetic(project, capsys):
    write_metrics(METRICS)
    cli.main(["use", "emodb"])
    assert cli.main(["table"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "corpus emodb, protocol emodb-loso"


@pytest.mark.parametrize(("text", "fault"), [("{", "not JSON"), ("{}", "contains no system")])
def test_table_of_a_damaged_file_is_refused(project, capsys, text, fault):
    write_metrics(text)
    assert cli.main(["table"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: artifacts/evaluate/metrics.json: ")
    assert fault in error


def test_table_before_the_first_run_is_refused(project, capsys):
    assert cli.main(["table"]) == 1
    assert capsys.readouterr().err == "error: artifacts/evaluate/metrics.json: does not exist: run make run first\n"


def unit_of(key: str, system: str, **found):
    from speech_emotion.params import load_params
    from speech_emotion.systems.catalogue import hyperparameters_of
    from speech_emotion.training.units import Unit

    used = {**hyperparameters_of(load_params().systems, system), **found}
    return Unit(
        key, "emodb", "emodb-loso", system, "03", 0, ("anger", "fear"), used, 1, 0, 1.0, [], {"emodb/a": [0.25, 0.75]}
    )


@pytest.mark.parametrize(("found", "folder_end"), [({}, ""), ({"dropout": 0.125}, "-tuned")])
def test_publish_copies_finished_units_to_the_folder_of_their_paper(project, capsys, found, folder_end):
    from speech_emotion.training.units import Unit, UnitStore

    corpus.use("emodb")
    model = project / "model"
    model.mkdir()
    unit = unit_of("k1", "w1", **found)
    UnitStore(Path("artifacts/units")).save(unit, model)
    folder = Path("artifacts/train/w1")
    folder.mkdir(parents=True)
    summary = {"key": "k1", "hyperparameters": dict(unit.hyperparameters)}
    record = {"corpus": "emodb", "system": "w1", "paper": "wang-cl-jetson", "units": {"03-0": summary}}
    (folder / "units.json").write_text(json.dumps(record))
    assert cli.main(["publish"]) == 0
    assert "1 finished units of 1 systems" in capsys.readouterr().out
    path = Path(f"papers/wang-cl-jetson/units/emodb-emodb-loso{folder_end}/w1-03-0.json")
    assert Unit.from_file(path) == unit


def test_publish_refuses_results_of_another_corpus_than_the_current_one(project, capsys):
    folder = Path("artifacts/train/w1")
    folder.mkdir(parents=True)
    (folder / "units.json").write_text(json.dumps({"corpus": "demo", "paper": "wang-cl-jetson", "units": {}}))
    corpus.use("emodb")
    assert cli.main(["publish"]) == 1
    said = capsys.readouterr().err
    assert (
        "units.json: corpus = demo: emodb is the current corpus: run dvc repro, or choose demo (speech-emotion use)"
        in said
    )
    assert not Path("papers").exists()


def test_publish_refuses_the_synthetic_corpus(project, capsys):
    assert cli.main(["publish"]) == 1
    assert "corpus = demo: is synthetic and never published" in capsys.readouterr().err


def test_publish_without_a_run_names_the_cure(project, capsys):
    corpus.use("emodb")
    assert cli.main(["publish"]) == 1
    assert "contains no trained system: run make run first" in capsys.readouterr().err

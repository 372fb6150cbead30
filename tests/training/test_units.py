import dataclasses
import json

import pytest

from speech_emotion.errors import UserError
from speech_emotion.training.units import Unit, UnitStore, publish


@pytest.fixture
def unit():
    return Unit(
        key="k1",
        corpus="emodb",
        protocol="emodb-loso",
        system="w1",
        fold="03",
        seed=0,
        labels=("anger", "fear"),
        hyperparameters={"dropout": 0.2},
        parameters=7,
        best_epoch=2,
        temperature=1.0,
        curves=[{"epoch": 1, "loss": 0.7}, {"epoch": 2, "loss": 0.6}],
        predictions={"b": [0.25, 0.75], "a": [0.5, 0.5]},
    )


def _model(tmp_path):
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "system.json").write_text("{}")
    return folder


def test_a_saved_fold_run_is_found_with_its_model(tmp_path, unit):
    store = UnitStore(tmp_path / "units")
    assert store.find("k1") is None
    store.save(unit, _model(tmp_path))
    assert store.find("k1") == unit
    assert (store.model_folder("k1") / "system.json").is_file()


def test_a_published_fold_run_is_found_without_model(tmp_path, unit):
    path = publish(unit, tmp_path / "papers", "wang-cl-jetson")
    assert path.relative_to(tmp_path).as_posix() == "papers/wang-cl-jetson/units/emodb-emodb-loso/w1-03-0.json"
    store = UnitStore(tmp_path / "units", tmp_path / "papers")
    assert store.find("k1") == unit
    assert store.model_folder("k1") is None
    assert UnitStore(tmp_path / "units").find("k1") is None


def test_the_text_is_json_with_one_line_for_each_utterance(unit):
    text = unit.to_text()
    assert json.loads(text)["predictions"] == {"a": [0.5, 0.5], "b": [0.25, 0.75]}
    assert sum(line.startswith(' "') for line in text.splitlines()) == 2


def test_a_record_names_the_device_and_an_old_record_means_the_cpu(tmp_path, unit):
    path = tmp_path / "unit.json"
    path.write_text(dataclasses.replace(unit, device="cuda").to_text())
    assert Unit.from_file(path).device == "cuda"
    record = json.loads(path.read_text())
    del record["device"]
    path.write_text(json.dumps(record))
    assert Unit.from_file(path) == unit and unit.device == "cpu"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": "k1"}'])
def test_a_damaged_record_is_an_error_with_the_cure(tmp_path, text):
    path = tmp_path / "unit.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"unit\.json: is not a finished fold run .*: remove it and train again"):
        Unit.from_file(path)


def test_records_can_be_compared(unit):
    assert unit.name == "03-0"
    assert unit != dataclasses.replace(unit, seed=1)


@pytest.mark.parametrize("speaker", ["/tmp/x", "../../x", "S1/F", "+".join(f"speaker-{n:03d}" for n in range(40))])
def test_a_fold_run_of_a_speaker_with_an_odd_name_is_published_and_found(tmp_path, unit, speaker):
    odd = dataclasses.replace(unit, fold=speaker)
    path = publish(odd, tmp_path / "papers", "wang-cl-jetson")
    assert path.parent == tmp_path / "papers/wang-cl-jetson/units/emodb-emodb-loso"
    assert UnitStore(tmp_path / "units", tmp_path / "papers").find("k1") == odd

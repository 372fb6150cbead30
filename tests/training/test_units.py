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


def test_a_saved_unit_is_found_with_its_model(tmp_path, unit):
    store = UnitStore(tmp_path / "units")
    assert store.find("k1") is None
    store.save(unit, _model(tmp_path))
    assert store.find("k1") == unit
    assert (store.model_folder("k1") / "system.json").is_file()


def test_a_published_unit_is_found_without_model(tmp_path, unit):
    path = publish(unit, tmp_path / "papers", "wang-cl-jetson")
    assert path.relative_to(tmp_path).as_posix() == "papers/wang-cl-jetson/units/emodb-emodb-loso/w1-03-0.json"
    store = UnitStore(tmp_path / "units", tmp_path / "papers")
    assert store.find("k1") == unit
    assert store.model_folder("k1") is None
    assert UnitStore(tmp_path / "units").find("k1") is None


def test_the_text_is_json_with_a_line_an_utterance(unit):
    text = unit.to_text()
    assert json.loads(text)["predictions"] == {"a": [0.5, 0.5], "b": [0.25, 0.75]}
    assert sum(line.startswith(' "') for line in text.splitlines()) == 2


def test_a_unit_says_where_it_was_trained_and_an_old_one_was_trained_on_the_cpu(tmp_path, unit):
    path = tmp_path / "unit.json"
    path.write_text(dataclasses.replace(unit, device="cuda").to_text())
    assert Unit.from_file(path).device == "cuda"
    record = json.loads(path.read_text())
    del record["device"]
    path.write_text(json.dumps(record))
    assert Unit.from_file(path) == unit and unit.device == "cpu"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": "k1"}'])
def test_a_damaged_unit_is_named_with_the_cure(tmp_path, text):
    path = tmp_path / "unit.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"unit\.json: is no finished unit .*: remove it and train again"):
        Unit.from_file(path)


def test_what_is_kept_can_be_compared(unit):
    assert unit.name == "03-0"
    assert unit != dataclasses.replace(unit, seed=1)


@pytest.mark.parametrize("speaker", ["/tmp/x", "../../x", "S1/F", "+".join(f"speaker-{n:03d}" for n in range(40))])
def test_a_unit_of_an_odd_speaker_is_published_where_it_is_found(tmp_path, unit, speaker):
    odd = dataclasses.replace(unit, fold=speaker)
    path = publish(odd, tmp_path / "papers", "wang-cl-jetson")
    assert path.parent == tmp_path / "papers/wang-cl-jetson/units/emodb-emodb-loso"
    assert UnitStore(tmp_path / "units", tmp_path / "papers").find("k1") == odd

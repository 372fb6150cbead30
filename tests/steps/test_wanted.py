"""The files of recipes, features and systems that DVC depends on change only if something has to be computed again."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from speech_emotion.audio import preparation
from speech_emotion.features import versions
from speech_emotion.params import Params, load_params
from speech_emotion.steps.wanted import files_of, write_files

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")


def changed_files(kind, before: Params, after: Params) -> set[str]:
    one, two = files_of(kind, before, "audio"), files_of(kind, after, "audio")
    return {name for name in one.keys() | two.keys() if one.get(name) != two.get(name)}


def with_changes(**changes) -> Params:
    raw = PARAMS.model_dump()
    for key, value in changes.items():
        *above, last = key.split("__")
        place = raw
        for part in above:
            place = place[part]
        place[last] = value
    return Params.model_validate(raw)


def test_a_system_without_new_needs_changes_no_recipe_and_no_feature():
    fewer = with_changes(candidates=["w1", "k2", "t2"])
    more = with_changes(candidates=["w1", "k2", "t2", "t1"], needs__t1=PARAMS.needs["k2"].model_dump())
    for kind in ("recipes", "features"):
        assert changed_files(kind, fewer, more) == set()
    assert changed_files("inputs", fewer, more) == {"t1"}


def test_a_system_with_a_new_feature_changes_that_feature():
    needs = {**PARAMS.needs["k2"].model_dump(), "features": ["mfcc-13"]}
    fewer = with_changes(candidates=["w1", "k2", "t2"])
    more = with_changes(candidates=["w1", "k2", "t2", "t1"], needs__t1=needs)
    assert changed_files("features", fewer, more) == {"mfcc-13"}
    assert changed_files("recipes", fewer, more) == set()


@pytest.mark.parametrize(
    ("changes", "recipes", "features", "inputs"),
    [
        ({"registry__alpha": 0.01}, set(), set(), set()),
        ({"features__mel-120__n_mels": 121}, set(), {"mel-120"}, {"t1"}),
        ({"features__spectrogram-128__n_bands": 64}, set(), set(), set()),
        ({"features__f0__fmax": 400.0}, set(), {"statistics"}, {"t2"}),
        ({"preprocess__recipes__clean__level": "none"}, set(), set(), set()),
        ({"needs__t2__recipe": "level"}, {"waveforms/level"}, {"statistics"}, {"t2"}),
        ({"needs__k2__copies": 1}, {"copies/plain"}, {"mspec-40-dd"}, {"k2"}),
        ({"augment__seed": 1}, set(), set(), set()),
        ({"systems__k2__dropout": 0.5}, set(), set(), set()),
        ({"budgets__demo__more_seeds": {"w1": [1]}}, set(), set(), {"w1"}),
        ({"budgets__demo__candidates": ["w1", "k2", "t1", "t2", "gmm"]}, set(), set(), set()),
    ],
)
def test_a_change_affects_the_files_that_depend_on_it(changes, recipes, features, inputs):
    after = with_changes(**changes)
    assert changed_files("recipes", PARAMS, after) == recipes
    assert changed_files("features", PARAMS, after) == features
    assert changed_files("inputs", PARAMS, after) == inputs


def test_a_raised_version_affects_the_files_that_depend_on_it(monkeypatch):
    before = {kind: files_of(kind, PARAMS, "audio") for kind in ("recipes", "features", "inputs")}
    monkeypatch.setitem(versions.VERSIONS, "mfcc", 99)
    after = files_of("features", PARAMS, "audio")
    assert {name for name in after if after[name] != before["features"][name]} == {
        "mfcc-13-w1", "mfcc-20-64ms", "statistics",
    }  # fmt: skip
    monkeypatch.setattr(preparation, "VERSION", 99)
    after = files_of("recipes", PARAMS, "audio")
    assert {name for name in after if after[name] != before["recipes"][name]} == {"waveforms/plain"}


def test_other_audio_affects_every_needed_feature():
    one, two = files_of("features", PARAMS, "one"), files_of("features", PARAMS, "two")
    assert {name for name in one if one[name] != two[name]} == {name for name in one if one[name]}


def test_files_are_written_also_for_recipes_and_features_that_are_not_needed(tmp_path, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    write_files("recipes", tmp_path / "recipes")
    found = {path.relative_to(tmp_path / "recipes").as_posix() for path in (tmp_path / "recipes").rglob("*.json")}
    assert found == {f"{kind}/{name}.json" for kind in ("waveforms", "copies") for name in PARAMS.preprocess.recipes}
    assert json.loads((tmp_path / "recipes/copies/plain.json").read_text()) is None


def test_without_a_table_the_command_names_the_cure(tmp_path):
    (tmp_path / "params.yaml").write_text((Path(__file__).parents[2] / "params.yaml").read_text())
    command = [sys.executable, "-m", "speech_emotion.steps.wanted", "features", "wanted"]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert finished.returncode == 1 and finished.stderr.startswith("error: artifacts/ingest/utterances.parquet")
    assert not (tmp_path / "wanted").exists()

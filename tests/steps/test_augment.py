"""Step augment: augmented copies of the waveforms that systems need copies of."""

import json
from pathlib import Path

import numpy as np
import pytest

from speech_emotion.audio.augmentation import augment
from speech_emotion.params import load_params
from speech_emotion.recorder import Recorder
from speech_emotion.steps.augment import STEP
from speech_emotion.steps.step import StepParams
from speech_emotion.store.arrays import ArrayStore, ArrayWriter

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")


@pytest.fixture
def waveforms(tmp_path):
    random = np.random.default_rng(0)
    folder = tmp_path / "waveforms"
    for recipe in ("plain", "level"):
        with ArrayWriter(folder / recipe) as writer:
            for id in ("made/a", "made/b#1", "made/c"):  # a file itself may be called b#1
                writer.add(id, random.normal(0, 0.1, 4000))
    return folder


def with_copies(workers=1, **copies):
    """params.yaml with these numbers of copies: system -> n, 0 for others; t2 uses another recipe."""
    needs = {
        system: needs.model_copy(
            update={"copies": copies.get(system, 0), "recipe": "level" if system == "t2" else "plain"}
        )
        for system, needs in PARAMS.needs.items()
    }
    return PARAMS.model_copy(update={"needs": needs, "workers": workers})


def run(waveforms, folder, params):
    folder.mkdir()
    STEP.run({"waveforms": waveforms}, StepParams(params, STEP.sections), {"copies": folder}, Recorder(quiet=True))
    return folder


def test_copies_have_their_number_and_their_source(waveforms, tmp_path):
    store = ArrayStore(run(waveforms, tmp_path / "out", with_copies(t1=2)) / "plain")
    assert store.ids == ["made/a#1", "made/a#2", "made/b#1#1", "made/b#1#2", "made/c#1", "made/c#2"]
    assert store.copies("made/b#1") == ["made/b#1#1", "made/b#1#2"]
    source = ArrayStore(waveforms / "plain")["made/c"]
    expected = augment(source, PARAMS.preprocess.sample_rate, "made/c", 2, PARAMS.augment)
    np.testing.assert_array_equal(store["made/c#2"], expected)


def test_recipe_has_the_maximum_number_of_copies_of_its_systems(waveforms, tmp_path):
    folder = run(waveforms, tmp_path / "out", with_copies(t1=1, k2=3))
    assert len(ArrayStore(folder / "plain")) == 9
    assert json.loads((folder / "copies.json").read_text()) == {"level": 0, "plain": 3}


def test_recipe_without_copies_has_no_folder(waveforms, tmp_path):
    folder = run(waveforms, tmp_path / "out", with_copies(t1=1))
    assert sorted(path.name for path in folder.iterdir()) == ["copies.json", "plain"]


def test_without_any_copies_only_the_counts_are_written(waveforms, tmp_path):
    folder = run(waveforms, tmp_path / "out", with_copies())
    assert [path.name for path in folder.iterdir()] == ["copies.json"]


def test_bytes_do_not_depend_on_the_number_of_workers(waveforms, tmp_path):
    one = run(waveforms, tmp_path / "one", with_copies(t1=2, workers=1))
    two = run(waveforms, tmp_path / "two", with_copies(t1=2, workers=2))
    assert (one / "plain/shard-00000.arrow").read_bytes() == (two / "plain/shard-00000.arrow").read_bytes()


def test_copy_does_not_change_with_the_other_utterances(waveforms, tmp_path):
    single = tmp_path / "single"
    with ArrayWriter(single / "plain") as writer:
        writer.add("made/c", ArrayStore(waveforms / "plain")["made/c"])
    params = with_copies(t1=1).model_copy(update={"candidates": ["t1"]})
    one = ArrayStore(run(single, tmp_path / "one", params) / "plain")["made/c#1"]
    np.testing.assert_array_equal(one, ArrayStore(run(waveforms, tmp_path / "all", params) / "plain")["made/c#1"])

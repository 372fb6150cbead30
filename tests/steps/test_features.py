"""Step features: the features that systems need, from waveforms and their copies."""

import json
from pathlib import Path

import numpy as np
import pytest

from speech_emotion.features.extraction import compute, statistic_names
from speech_emotion.params import load_params
from speech_emotion.recorder import Recorder
from speech_emotion.steps.features import STEP
from speech_emotion.steps.step import StepParams
from speech_emotion.steps.wanted import wanted_features
from speech_emotion.store.arrays import ArrayStore, ArrayWriter

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
RATE = PARAMS.preprocess.sample_rate


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Two waveforms, the second shorter than any network's window; two copies of each."""
    folder, random = tmp_path_factory.mktemp("inputs"), np.random.default_rng(0)
    with ArrayWriter(folder / "waveforms/plain") as writer, ArrayWriter(folder / "copies/plain") as copies:
        for id, length in (("made/a", 50000), ("made/b#1", 3000)):
            writer.add(id, random.normal(0, 0.1, length))
            for number in (1, 2):
                copies.add(f"{id}#{number}", random.normal(0, 0.1, length), source=id)
    return {"waveforms": folder / "waveforms", "copies": folder / "copies"}


def with_systems(*systems, workers=1, **copies):
    """params.yaml with these systems and numbers of copies: system -> n, 0 for others."""
    needs = {
        system: needs.model_copy(update={"copies": copies.get(system, 0)}) for system, needs in PARAMS.needs.items()
    }
    return PARAMS.model_copy(update={"candidates": list(systems), "needs": needs, "workers": workers})


def run(inputs, folder, params):
    folder.mkdir()
    STEP.run(inputs, StepParams(params, STEP.sections), {"features": folder}, Recorder(quiet=True))
    return folder


def test_exactly_the_needed_features_have_a_folder(inputs, tmp_path):
    folder = run(inputs, tmp_path / "out", with_systems("w1", "k2"))
    assert sorted(path.name for path in folder.iterdir()) == ["mel-128", "mfcc-13-w1", "mspec-40-dd"]
    store = ArrayStore(folder / "mspec-40-dd/plain-4240")
    waveform = ArrayStore(inputs["waveforms"] / "plain")["made/a"]
    np.testing.assert_array_equal(store["made/a"], compute("mspec-40-dd", waveform, PARAMS.features, RATE))


def test_short_waveforms_fill_a_window(inputs, tmp_path):
    folder = run(inputs, tmp_path / "out", with_systems("w1", "t1", t1=2))
    assert len(ArrayStore(folder / "mel-128/plain-66048")["made/b#1"]) == PARAMS.systems["w1"]["window_frames"]
    for id in ("made/b#1", "made/b#1#2"):
        assert len(ArrayStore(folder / "mel-120/plain-49600")[id]) >= PARAMS.systems["t1"]["window_frames"]


def test_copies_are_computed_only_for_systems_that_need_them(inputs, tmp_path):
    folder = run(inputs, tmp_path / "out", with_systems("k2", "t1", t1=1))
    with_copies = ArrayStore(folder / "energy-64ms/plain-49600")
    assert with_copies.ids == ["made/a", "made/b#1", "made/a#1", "made/b#1#1"]
    assert with_copies.copies("made/b#1") == ["made/b#1#1"]
    assert ArrayStore(folder / "mspec-40-dd/plain-4240").ids == ["made/a", "made/b#1"]


def test_statistics_have_names(inputs, tmp_path):
    folder = run(inputs, tmp_path / "out", with_systems("t2"))
    names = json.loads((folder / "statistics/plain/names.json").read_text())
    assert names == statistic_names("statistics", PARAMS.features, RATE)
    assert ArrayStore(folder / "statistics/plain")["made/a"].shape == (len(names),)


def test_bytes_do_not_depend_on_the_number_of_workers(inputs, tmp_path):
    one = run(inputs, tmp_path / "one", with_systems("w1", "t1", "t2", workers=1))
    two = run(inputs, tmp_path / "two", with_systems("w1", "t1", "t2", workers=2))
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert len(files) == 8
    for file in files:
        assert (one / file).read_bytes() == (two / file).read_bytes(), file


def test_systems_share_a_feature_with_other_copies_but_not_with_other_lengths():
    needs = {
        **PARAMS.needs,
        "t1": PARAMS.needs["t1"].model_copy(update={"copies": 0}),
        "k2": PARAMS.needs["t1"].model_copy(update={"copies": 2, "features": ["mel-120"]}),
        "w1": PARAMS.needs["t1"].model_copy(update={"min_seconds": 1.0, "features": ["mel-120"]}),
    }
    for candidates in (["t1", "k2", "w1"], ["w1", "k2", "t1"]):
        params = PARAMS.model_copy(update={"needs": needs, "candidates": candidates})
        wanted = wanted_features(StepParams(params, STEP.sections))
        found = {(name, one.folder): one.copies for name, variants in wanted.items() for one in variants}
        assert found == {
            ("energy-64ms", "plain-49600"): 0,
            ("mel-120", "plain-16000"): 0,
            ("mel-120", "plain-49600"): 2,
            ("mel-128-4k", "plain-49600"): 0,
            ("mfcc-20-64ms", "plain-49600"): 0,
        }


def test_one_feature_can_be_computed_separately(inputs, tmp_path):
    params = with_systems("w1", "k2")
    whole = run(inputs, tmp_path / "whole", params)
    folder = tmp_path / "one"
    folder.mkdir()
    one = StepParams(params, STEP.sections, each="mspec-40-dd")
    STEP.run(inputs, one, {"features": folder}, Recorder(quiet=True))
    assert [path.name for path in folder.iterdir()] == ["mspec-40-dd"]
    shard = "mspec-40-dd/plain-4240/shard-00000.arrow"
    assert (folder / shard).read_bytes() == (whole / shard).read_bytes()

import csv
import json

import numpy as np
import pytest
import torch

from made_up_results import LABELS, predictions, utterances, write_system
from made_up_systems import make_system
from made_up_t1 import params_of, pruning_params, write_t1
from speech_emotion import variants as command
from speech_emotion.corpora.table import write_utterances
from speech_emotion.errors import UserError
from speech_emotion.evaluation.metrics import scores
from speech_emotion.evaluation.results import read_result
from speech_emotion.export import footprint
from speech_emotion.layers.normalisation import Statistics
from speech_emotion.params import load_params
from speech_emotion.store.arrays import ArrayWriter
from speech_emotion.systems.catalogue import front_end_dims, save_system
from speech_emotion.variants import variants

PARAMS = load_params()
SPEAKERS = ("f1", "m1", "f2")
FORMS = ["trained model (PyTorch)", "fp32", "int8", "int8-cpu"]


@pytest.fixture
def artifacts(tmp_path):
    """Three folds' models of a small LSTM, with noise as speech."""
    draws = np.random.default_rng(0)
    rows = utterances(speakers=SPEAKERS, each=1)
    write_utterances(tmp_path / "ingest" / "utterances.parquet", rows)
    with ArrayWriter(tmp_path / "preprocess" / "plain") as writer:
        for number, row in enumerate(rows):
            writer.add(row.id, (0.1 * draws.standard_normal(4000 + 700 * number)).astype(np.float32))
    write_system(tmp_path / "train" / "k2", predictions(rows, "k2"))
    features = {"mspec-40": PARAMS.features["mspec-40"]}
    recipe = PARAMS.preprocess.recipes["plain"]
    for number, speaker in enumerate(SPEAKERS):
        torch.manual_seed(number)
        system = make_system("k2", recipe, features, front_end_dims(features, 16000), 16000, LABELS, units=8)
        flat = Statistics(*(np.full(40, value) for value in (-8.0, 3.0, -23.0, 3.0)))
        system.network.fit_normalisation({"mspec-40": flat})
        folder = tmp_path / "train" / "k2" / "models" / f"{speaker}-0"
        folder.mkdir(parents=True)
        save_system(system, folder)
    return tmp_path


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(footprint, "process_memory", lambda model, windows: 50_000_000)


def test_each_form_is_tested_on_its_folds_test_speakers(artifacts):
    text = variants("k2", artifacts)
    folder = artifacts / "variants" / "k2"
    rows = {row["variant"]: row for row in json.loads((folder / "variants.json").read_text())}
    assert list(rows) == FORMS
    result = read_result(artifacts / "train" / "k2", "k2")
    assert rows[FORMS[0]]["ua"] == pytest.approx(100 * scores(result.truth, result.predicted).ua)
    assert (rows["fp32"]["agreement"], rows["fp32"]["largest_difference"], rows["fp32"]["weights"]) == (100, 0, 100)
    assert rows["int8-cpu"]["weights"] < 35  # with so few units, the scales count
    assert 0 < rows["int8-cpu"]["largest_difference"] < 0.1
    assert 0 < rows["fp32"]["p50"] <= rows["fp32"]["p99"]
    said = [json.loads(path.read_text())["variants"] for path in sorted((folder / "folds").iterdir())]
    asked = [set(one["fp32"]["probabilities"]) for one in said]
    assert [len(ids) for ids in asked] == [3, 4, 4]
    sums = [sum(row) for one in said for row in one["int8"]["probabilities"].values()]
    assert sums == pytest.approx([1.0] * len(sums), abs=1e-4)
    with (folder / "variants.csv").open() as file:
        assert [row["variant"] for row in csv.DictReader(file)] == FORMS
    assert (folder / "variants.md").read_text().strip() in text
    assert (folder / "variants.png").read_bytes()[:4] == b"\x89PNG"


def test_finished_folds_are_found_again_but_not_for_a_changed_model(artifacts, monkeypatch):
    variants("k2", artifacts)
    done = []
    measure = command._measure
    monkeypatch.setattr(command, "_measure", lambda job: done.append(job.name) or measure(job))
    variants("k2", artifacts)
    assert done == []
    model = artifacts / "train" / "k2" / "models" / "f2-0" / "model.safetensors"
    model.write_bytes((artifacts / "train" / "k2" / "models" / "m1-0" / "model.safetensors").read_bytes())
    (artifacts / "variants" / "k2" / "folds" / "m1-0.json").write_text("{")  # half-written, as on a full disk
    variants("k2", artifacts)
    assert done == ["f2-0", "m1-0"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda folder: (folder / "train/k2/models/m1-0").rename(folder / "lost"),
            r"m1-0: is not there: set train.keep_models: true and train.published_units: false",
        ),
        (lambda folder: (folder / "train/k2/units.json").unlink(), r"units\.json: no such file: run the train step"),
    ],
)
def test_missing_inputs_are_named_with_the_cure(artifacts, spoil, message):
    spoil(artifacts)
    with pytest.raises(UserError, match=message):
        variants("k2", artifacts)
    assert not (artifacts / "variants").exists()


def test_pruned_forms_are_measured_before_and_after_fine_tuning(tmp_path, monkeypatch):
    write_t1(tmp_path, tested=("m1",))
    monkeypatch.setattr(command, "load_params", pruning_params)
    monkeypatch.setattr(command, "TIMED", 2)
    variants("t1", tmp_path, shares=[0.5, 0.5])
    rows = {row["variant"]: row for row in json.loads((tmp_path / "variants/t1/variants.json").read_text())}
    pruned = ["pruned-50-fp32-untuned", "pruned-50-fp32", "pruned-50-int8", "pruned-50-int8-cpu"]
    assert list(rows) == [*FORMS, *pruned]
    assert rows["pruned-50-fp32"]["bytes"] == pytest.approx(rows["pruned-50-fp32-untuned"]["bytes"], rel=0.01)
    for form in ("fp32", "int8", "int8-cpu"):
        assert rows[f"pruned-50-{form}"]["bytes"] < rows[form]["bytes"]
        assert 0 < rows[f"pruned-50-{form}"]["weights"] < rows[form]["weights"]
    said = json.loads((tmp_path / "variants/t1/folds/m1-0.json").read_text())["variants"]
    assert said["pruned-50-fp32"]["probabilities"] != said["pruned-50-fp32-untuned"]["probabilities"]


def test_forms_fine_tuned_for_int8_are_measured_beside_calibrated_ones(tmp_path, monkeypatch):
    write_t1(tmp_path, tested=("m1",))
    monkeypatch.setattr(command, "load_params", lambda: params_of(qat={}))
    monkeypatch.setattr(command, "TIMED", 2)
    variants("t1", tmp_path, qat=True)
    rows = {row["variant"]: row for row in json.loads((tmp_path / "variants/t1/variants.json").read_text())}
    assert list(rows) == [*FORMS, "qat-fp32", "qat-int8", "qat-int8-cpu"]
    said = json.loads((tmp_path / "variants/t1/folds/m1-0.json").read_text())["variants"]
    for form in ("int8", "int8-cpu"):
        assert said[f"qat-{form}"]["probabilities"] != said[form]["probabilities"]
        assert rows[f"qat-{form}"]["weights"] == rows[form]["weights"]


def test_system_without_filters_cannot_be_pruned_and_a_share_has_its_range(artifacts, monkeypatch):
    with pytest.raises(UserError, match=r"corpus = demo: the folds' models are of emodb: speech-emotion use emodb"):
        variants("k2", artifacts, shares=[0.3])
    monkeypatch.setattr(command, "load_params", lambda: PARAMS.model_copy(update={"corpus": "emodb"}))
    for name in PARAMS.needs["k2"].features:
        with ArrayWriter(
            artifacts / "features" / name / PARAMS.needs["k2"].variant(PARAMS.features[name], 16000)
        ) as writer:
            for row in utterances(speakers=SPEAKERS, each=1):
                writer.add(row.id, np.zeros((30, 40), np.float32))
    with pytest.raises(UserError, match=r"export\.prune\.share = 0\.3: WindowRNN is recurrent"):
        variants("k2", artifacts, shares=[0.3])
    with pytest.raises(UserError, match=r"--prune: share = 2\.0: must be at most 0\.9"):
        variants("k2", artifacts, shares=[2.0])
    assert not (artifacts / "variants").exists()


def test_systems_that_are_not_deployable_or_unknown_are_refused(artifacts):
    rows = utterances(speakers=SPEAKERS, each=1)
    write_system(artifacts / "train" / "t2", predictions(rows, "t2"), not_deployable="statistics")
    with pytest.raises(UserError, match="system = t2: cannot go to the device"):
        variants("t2", artifacts)
    with pytest.raises(UserError, match="system = t9: must be one of"):
        variants("t9", artifacts)

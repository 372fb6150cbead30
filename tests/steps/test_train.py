"""Steps tune, train and select on small made-up features, through the driver."""

import copy
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from speech_emotion.corpora.table import Utterance, write_utterances
from speech_emotion.errors import UserError
from speech_emotion.params import load_params
from speech_emotion.recorder import Recorder
from speech_emotion.steps.driver import execute, load_step
from speech_emotion.store.arrays import ArrayWriter
from speech_emotion.tracking.journal import JournalRecorder, read_journal
from speech_emotion.training import run as training_run

TOP = Path(__file__).parents[2]
SPEAKERS = ("01", "02", "03", "04")
EMOTIONS = ("anger", "neutral", "sadness")


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with params, protocol, table and features of four speakers; the steps work in it."""
    monkeypatch.chdir(tmp_path)
    raw = yaml.safe_load((TOP / "params.yaml").read_text())
    raw |= {"corpus": "demo", "candidates": ["k2", "t2"], "workers": 1}
    raw["budgets"]["demo"] = {"protocol": "small", "seeds": [0, 1], "max_epochs": 2}
    raw["systems"]["k2"] |= {"units": 4, "layers": 1, "batch_size": 16}
    raw["tune"]["trials"] = 3
    protocol = {
        "title": "small",
        "corpora": ["demo"],
        "speaker_independent": True,
        "labels": {emotion: emotion for emotion in EMOTIONS},
        "folds": {"each": "speaker"},
        "inner": "next",
    }
    (tmp_path / "protocols").mkdir()
    (tmp_path / "protocols" / "small.yaml").write_text(yaml.safe_dump(protocol))
    ids = [f"demo/{s}-{e}-{n}" for s in SPEAKERS for e in EMOTIONS for n in range(2)]
    write_utterances(
        tmp_path / "artifacts/ingest/utterances.parquet",
        [
            Utterance(
                id,
                "demo",
                f"{id}.wav",
                id[5:7],
                "female",
                id.split("-")[1],
                None,
                None,
                None,
                0.0,
                1.0,
                1.0,
                16000,
                1,
                "0",
                "x",
            )
            for id in ids
        ],
    )
    for name, shape in (("mspec-40-dd", (30, 120)), ("statistics", (20,))):
        with ArrayWriter(tmp_path / "artifacts/features/plain" / name) as writer:
            for id in ids:
                rng = np.random.default_rng(list(id.encode()))
                writer.add(id, rng.normal(size=shape) + EMOTIONS.index(id.split("-")[1]))

    def params(**changes):
        changed = copy.deepcopy(raw)
        for key, value in changes.items():
            section, _, name = key.partition("__")
            changed[section] = {**changed[section], name: value} if name else value
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(changed))
        return load_params(tmp_path / "params.yaml")

    return params


def _run(params, name, system=None):
    execute(load_step(name), params, system, recorder=Recorder(quiet=True))


def _train(params, system):
    _run(params, "tune", system)
    _run(params, "train", system)


def _predictions(system):
    return pd.read_parquet(f"artifacts/train/{system}/predictions.parquet")


@pytest.mark.parametrize("system", ["k2", "t2"])
def test_every_utterance_is_predicted_once_a_seed_by_a_model_that_never_heard_its_speaker(workplace, system):
    _train(workplace(), system)
    frame = _predictions(system)
    assert len(frame) == 2 * 24 and not frame.duplicated(["id", "seed"]).any()
    assert (frame["fold"] == frame["speaker"]).all()
    np.testing.assert_allclose(frame[[f"p_{e}" for e in EMOTIONS]].sum(axis=1), 1, atol=1e-5)
    record = json.loads(Path(f"artifacts/train/{system}/units.json").read_text())
    assert record["folds"] == 4 and record["seeds"] == [0, 1] and len(record["units"]) == 8
    assert len(list(Path(f"artifacts/train/{system}/models").glob("*/system.json"))) == 8


def test_two_runs_with_one_seed_give_identical_predictions(workplace, tmp_path):
    _train(workplace(), "k2")
    first = Path("artifacts/train/k2/predictions.parquet").read_bytes()
    for folder in ("units", "train"):
        (tmp_path / "artifacts" / folder).rename(tmp_path / f"old-{folder}")
    _train(workplace(workers=2), "k2")
    assert Path("artifacts/train/k2/predictions.parquet").read_bytes() == first


def test_every_epoch_is_told_to_the_recorder_in_the_process_that_trains(workplace, tmp_path):
    workplace()
    recorder = JournalRecorder(tmp_path / "journals", 10.0, quiet=True)
    for step in ("tune", "train"):
        execute(load_step(step), load_params(), "k2", recorder=recorder)
    record = json.loads(Path("artifacts/train/k2/units.json").read_text())
    assert len(record["units"]) == 8
    for unit in record["units"].values():
        journal = read_journal(recorder.folder, unit["key"])
        assert journal.finished
        assert [line["epoch"] for line in journal.epochs] == list(range(1, unit["epochs"] + 1))
        assert {"loss", "valid_loss", "valid_ua"} <= set(journal.epochs[0]["values"])
        assert journal.start["unit"]["units"] == 8


def test_finished_units_are_not_trained_again(workplace, monkeypatch):
    _train(workplace(), "t2")
    before = _predictions("t2")
    monkeypatch.setattr("speech_emotion.steps.train.train_unit", _never)
    _run(workplace(), "train", "t2")
    pd.testing.assert_frame_equal(before, _predictions("t2"))


def _never(job, **told):
    raise AssertionError(f"{job.fold.name} was trained again")


def test_a_killed_run_goes_on_with_what_it_had_finished(workplace, monkeypatch):
    _train(workplace(), "k2")
    whole = _predictions("k2")
    units = sorted(Path("artifacts/units").iterdir())
    for folder in units[:3]:
        (folder / "unit.json").unlink()
        for file in (folder / "model").iterdir():
            file.unlink()
        (folder / "model").rmdir()
        folder.rmdir()
    trained = []
    fit = training_run.fit_system
    monkeypatch.setattr(training_run, "fit_system", lambda *args: trained.append(1) or fit(*args))
    _run(workplace(), "train", "k2")
    assert len(trained) == 3
    pd.testing.assert_frame_equal(whole, _predictions("k2"))


def test_another_hyperparameter_is_another_unit(workplace):
    _train(workplace(), "t2")
    count = len(list(Path("artifacts/units").iterdir()))
    params = workplace()
    systems = {**params.systems, "t2": {**params.systems["t2"], "C": 0.5}}
    _train(workplace(systems=systems), "t2")
    assert len(list(Path("artifacts/units").iterdir())) == 2 * count


def test_a_failed_step_leaves_its_old_output(workplace):
    _train(workplace(), "t2")
    before = Path("artifacts/train/t2/predictions.parquet").read_bytes()
    Path("artifacts/tune/t2/best.json").write_text('{"01": {"C": -1}}')
    with pytest.raises(UserError, match=r"systems\.t2\.C = -1: must be above 0"):
        _run(workplace(), "train", "t2")
    assert Path("artifacts/train/t2/predictions.parquet").read_bytes() == before


def test_an_input_that_is_not_there_is_named_with_the_cure(workplace):
    with pytest.raises(
        UserError, match="step train: input best = artifacts/tune/t2: is not there: run the steps before"
    ):
        _run(workplace(), "train", "t2")


def test_search_off_hands_on_nothing(workplace):
    _run(workplace(), "tune", "t2")
    assert json.loads(Path("artifacts/tune/t2/best.json").read_text()) == {}


def test_search_on_finds_hyperparameters_by_fold_and_training_uses_them(workplace):
    _train(workplace(tune__enabled=True), "t2")
    best = json.loads(Path("artifacts/tune/t2/best.json").read_text())
    assert sorted(best) == list(SPEAKERS)
    record = json.loads(Path("artifacts/train/t2/units.json").read_text())
    assert record["units"]["01-0"]["hyperparameters"]["C"] == best["01"]["C"]
    trials = pd.read_csv("artifacts/tune/t2/trials.csv", dtype={"fold": str})
    assert trials.groupby("fold").size().to_dict() == {speaker: 3 for speaker in SPEAKERS}


def test_an_interrupted_search_runs_only_what_is_left(workplace):
    _run(workplace(tune__enabled=True), "tune", "t2")
    params = workplace(tune__enabled=True)
    more = workplace(tune={**params.tune.model_dump(), "trials": 5})
    _run(more, "tune", "t2")
    trials = pd.read_csv("artifacts/tune/t2/trials.csv", dtype={"fold": str})
    assert trials.groupby("fold").size().to_dict() == {speaker: 5 for speaker in SPEAKERS}


def _metrics(**ua):
    folder = Path("artifacts/evaluate")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps({system: {"ua": value} for system, value in ua.items()}))


def test_select_names_the_best_and_refits_the_best_deployable(workplace):
    params = workplace(candidates=["t2"])
    _train(params, "t2")
    _metrics(t2=70.0)
    _run(params, "select")
    best = json.loads(Path("artifacts/select/best.json").read_text())
    assert best["best"] == "t2" and best["best_deployable"] is None
    assert "no form inside the graph" in best["not_deployable"]["t2"]
    assert not list(Path("artifacts/select/model").iterdir())


def test_select_refits_on_every_speaker_with_the_median_epoch(workplace):
    params = workplace(features=_deployable(workplace()))
    for system in ("k2", "t2"):
        _train(params, system)
    _metrics(k2=50.0, t2=70.0)
    _run(params, "select")
    best = json.loads(Path("artifacts/select/best.json").read_text())
    assert (best["best"], best["best_deployable"]) == ("t2", "k2")
    record = json.loads(Path("artifacts/train/k2/units.json").read_text())
    epochs = int(np.median([unit["best_epoch"] for unit in record["units"].values()]))
    assert best["refit_epochs"] == epochs
    assert 0.25 <= best["temperature"] <= 4
    assert best["calibration"]["ece_after"] <= best["calibration"]["ece_before"]
    assert {path.name for path in Path("artifacts/select/model").iterdir()} == {"system.json", "model.safetensors"}


def _deployable(params):
    """The features with K2's without derivatives, which is what the device can compute; 120 bands keep its shape."""
    features = {name: feature.model_dump(exclude_none=True) for name, feature in params.features.items()}
    features["mspec-40-dd"] |= {"deltas": 0, "n_mels": 120}
    return features


def test_select_without_figures_is_refused(workplace):
    params = workplace(candidates=["t2"])
    _train(params, "t2")
    _metrics(k2=1.0)
    with pytest.raises(UserError, match=r"has no figures of t2: run the evaluate step again"):
        _run(params, "select")

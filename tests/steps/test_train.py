"""Steps train and select on small made-up features, through the driver."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from speech_emotion.errors import UserError
from speech_emotion.params import load_params
from speech_emotion.recorder import Recorder
from speech_emotion.steps.driver import execute, load_step
from speech_emotion.tracking.journal import JournalRecorder, read_journal
from speech_emotion.training import run as training_run

SPEAKERS = ("01", "02", "03", "04")
EMOTIONS = ("anger", "neutral", "sadness")


def _run(params, name, system=None):
    execute(load_step(name), params, system, recorder=Recorder(quiet=True))


def _train(params, system):
    _run(params, "tune", system)
    _run(params, "train", system)


def _predictions(system):
    return pd.read_parquet(f"artifacts/train/{system}/predictions.parquet")


@pytest.mark.parametrize("system", ["k2", "t2"])
def test_every_utterance_is_predicted_once_per_seed_without_its_speaker_in_training(workplace, system):
    _train(workplace(), system)
    frame = _predictions(system)
    assert len(frame) == 2 * 24 and not frame.duplicated(["id", "seed"]).any()
    assert (frame["fold"] == frame["speaker"]).all()
    np.testing.assert_allclose(frame[[f"p_{e}" for e in EMOTIONS]].sum(axis=1), 1, atol=1e-5)
    record = json.loads(Path(f"artifacts/train/{system}/units.json").read_text())
    assert record["folds"] == 4 and record["seeds"] == [0, 1] and len(record["units"]) == 8
    assert len(list(Path(f"artifacts/train/{system}/models").glob("*/system.json"))) == 8


def test_a_fold_gives_the_same_result_with_or_without_the_others(workplace, monkeypatch):
    _train(workplace(), "t2")
    everything = _predictions("t2")
    monkeypatch.setattr("speech_emotion.steps.train.train_unit", _never)
    budget = {"protocol": "small", "candidates": ["k2", "t2"], "seeds": [0, 1], "max_epochs": 2, "folds": ["03", "01"]}
    _train(workplace(budgets__demo=budget), "t2")
    some = everything[everything["fold"].isin(["01", "03"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(_predictions("t2"), some)


def test_a_fold_that_the_protocol_does_not_have_is_refused(workplace):
    params = workplace(
        budgets__demo={
            "protocol": "small",
            "candidates": ["k2", "t2"],
            "seeds": [0],
            "max_epochs": 2,
            "folds": ["01", "09"],
        }
    )
    _run(params, "tune", "t2")
    with pytest.raises(UserError, match=r"budgets\.demo\.folds = 09: protocol small has no such fold.* 01, 02, 03, 04"):
        _run(params, "train", "t2")


def test_two_runs_with_one_seed_give_identical_predictions(workplace, tmp_path):
    _train(workplace(), "k2")
    first = Path("artifacts/train/k2/predictions.parquet").read_bytes()
    for folder in ("units", "train"):
        (tmp_path / "artifacts" / folder).rename(tmp_path / f"old-{folder}")
    _train(workplace(workers=2), "k2")
    assert Path("artifacts/train/k2/predictions.parquet").read_bytes() == first


def test_every_epoch_is_recorded_in_the_process_that_trains(workplace, tmp_path):
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


def test_a_systems_additional_seeds_are_trained(workplace):
    budget = {
        "protocol": "small",
        "candidates": ["k2", "t2"],
        "seeds": [3],
        "more_seeds": {"t2": [5, 4]},
        "max_epochs": 1,
        "folds": ["01"],
    }
    for system, names in (("k2", ["01-3"]), ("t2", ["01-3", "01-5", "01-4"])):
        _train(workplace(budgets__demo=budget), system)
        assert list(json.loads(Path(f"artifacts/train/{system}/units.json").read_text())["units"]) == names


def test_finished_units_are_not_trained_again(workplace, monkeypatch):
    _train(workplace(), "t2")
    before = _predictions("t2")
    monkeypatch.setattr("speech_emotion.steps.train.train_unit", _never)
    _run(workplace(), "train", "t2")
    pd.testing.assert_frame_equal(before, _predictions("t2"))


def _never(job, **told):
    raise AssertionError(f"{job.fold.name} was trained again")


def test_a_killed_run_resumes_with_its_finished_units(workplace, monkeypatch):
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


def test_the_device_is_not_part_of_the_key_and_is_recorded_in_the_unit(workplace, monkeypatch):
    params = workplace()
    _train(params, "k2")
    record = json.loads(Path("artifacts/train/k2/units.json").read_text())
    assert record["devices"] == ["cpu"] and {unit["device"] for unit in record["units"].values()} == {"cpu"}
    monkeypatch.setattr("speech_emotion.steps.train.train_unit", _never)
    _run(workplace(train=params.train.model_dump() | {"device": "auto"}), "train", "k2")


def test_a_missing_device_is_refused_before_anything_is_trained(workplace, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("speech_emotion.steps.train.train_unit", _never)
    params = workplace(train=workplace().train.model_dump() | {"device": "cuda"})
    _run(params, "tune", "k2")
    with pytest.raises(UserError, match=r"^train\.device = cuda: .*: set cpu, or auto"):
        _run(params, "train", "k2")
    assert not Path("artifacts/train/k2").exists()


def test_another_hyperparameter_is_another_unit(workplace):
    _train(workplace(), "t2")
    count = len(list(Path("artifacts/units").iterdir()))
    params = workplace()
    systems = {**params.systems, "t2": {**params.systems["t2"], "C": 0.5}}
    _train(workplace(systems=systems), "t2")
    assert len(list(Path("artifacts/units").iterdir())) == 2 * count


def test_a_failed_step_keeps_its_old_output(workplace):
    _train(workplace(), "t2")
    before = Path("artifacts/train/t2/predictions.parquet").read_bytes()
    Path("artifacts/tune/t2/best.json").write_text('{"01": {"C": -1}}')
    with pytest.raises(UserError, match=r"systems\.t2\.C = -1: must be above 0"):
        _run(workplace(), "train", "t2")
    assert Path("artifacts/train/t2/predictions.parquet").read_bytes() == before


def test_a_missing_input_is_an_error_with_the_cure(workplace):
    with pytest.raises(
        UserError, match="step train: input best = artifacts/tune/t2: does not exist: run the steps before"
    ):
        _run(workplace(), "train", "t2")


def _metrics(**ua):
    folder = Path("artifacts/evaluate")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps({system: {"ua": value} for system, value in ua.items()}))


def test_select_finds_the_best_and_refits_the_best_deployable(workplace):
    params = workplace(candidates=["t2"])
    _train(params, "t2")
    _metrics(t2=70.0)
    _run(params, "select")
    best = json.loads(Path("artifacts/select/best.json").read_text())
    assert best["best"] == "t2" and best["best_deployable"] is None
    assert "cannot be computed inside the ONNX graph" in best["not_deployable"]["t2"]
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
    assert best["refit"] == {
        "epochs": epochs,
        "device": "cpu",
        "hyperparameters": record["hyperparameters"],
        "agreeing": record["folds"],
        "folds": record["folds"],
    }
    assert 0.25 <= best["temperature"] <= 4
    assert best["calibration"]["ece_after"] <= best["calibration"]["ece_before"]
    assert {path.name for path in Path("artifacts/select/model").iterdir()} == {"system.json", "model.safetensors"}


def test_select_refits_with_the_most_central_hyperparameters_of_the_folds(workplace):
    params = workplace(features=_deployable(workplace()))
    for system in ("k2", "t2"):
        _train(params, system)
    _metrics(k2=50.0, t2=70.0)
    path = Path("artifacts/train/k2/units.json")
    record = json.loads(path.read_text())
    folds = sorted({key.rpartition("-")[0] for key in record["units"]})
    for key, unit in record["units"].items():
        dropout = 0.1 + folds.index(key.rpartition("-")[0]) / 10
        unit["hyperparameters"] = {**record["hyperparameters"], "dropout": dropout}
    path.write_text(json.dumps(record))
    _run(params, "select")
    refit = json.loads(Path("artifacts/select/best.json").read_text())["refit"]
    assert refit["hyperparameters"]["dropout"] == 0.1 + (len(folds) - 1) // 2 / 10
    assert (refit["agreeing"], refit["folds"]) == (1, len(folds))
    shipped = json.loads(Path("artifacts/select/model/system.json").read_text())
    assert shipped["params"].items() >= refit["hyperparameters"].items()


def _deployable(params):
    """The features, with K2's without derivatives so that the device can compute it; 120 bands keep its shape."""
    features = {name: feature.model_dump(exclude_none=True) for name, feature in params.features.items()}
    features["mspec-40-dd"] |= {"deltas": 0, "n_mels": 120}
    return features


def test_select_without_metrics_is_refused(workplace):
    params = workplace(candidates=["t2"])
    _train(params, "t2")
    _metrics(k2=1.0)
    with pytest.raises(UserError, match=r"has no figures of t2: run the evaluate step again"):
        _run(params, "select")

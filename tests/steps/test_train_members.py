"""Systems that build on others: their members are trained first, once, in the same fold."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from speech_emotion.errors import UserError
from speech_emotion.recorder import Recorder
from speech_emotion.steps.driver import execute, load_step
from speech_emotion.systems.catalogue import check_system_params
from speech_emotion.training import members
from speech_emotion.training import run as training_run

STUDENT = {"title": "X student", "builds_on": ["t2"], "distillation": 0.5}


@pytest.fixture
def params(workplace):
    """Makes params with one seed and a student of T2."""

    def make(**changes):
        made = workplace(candidates=["vote"])
        systems = {**made.systems, "x": {**made.systems["k2"], **STUDENT}}
        needs = {name: one.model_dump() for name, one in made.needs.items()}
        budget = {"protocol": "small", "candidates": ["k2"], "seeds": [0], "max_epochs": 2, "folds": ["01", "02"]}
        return workplace(systems=systems, needs={**needs, "x": needs["k2"]}, budgets__demo=budget, **changes)

    return make


def _train(params, system):
    for step in ("tune", "train"):
        execute(load_step(step), params, system, recorder=Recorder(quiet=True))


def _record(system):
    return json.loads(Path(f"artifacts/train/{system}/units.json").read_text())


def _predictions(system):
    frame = pd.read_parquet(f"artifacts/train/{system}/predictions.parquet").sort_values(["seed", "id"])
    return frame.filter(like="p_").to_numpy()


@pytest.fixture
def trained(monkeypatch):
    """The system of each training."""
    seen, fit = [], training_run.fit_system

    def watched(system, experiment, *rest):
        seen.append(experiment.system)
        return fit(system, experiment, *rest)

    monkeypatch.setattr(training_run, "fit_system", watched)
    return seen


def test_missing_members_are_trained_first_and_only_once(params, trained):
    _train(params(), "vote")
    assert trained == ["k2", "k2", "t2", "t2", "vote", "vote"]
    for member in ("k2", "t2", "mean"):
        _train(params(candidates=[member]), member)
    assert trained[6:] == ["mean", "mean"]
    mean = (_predictions("k2") + _predictions("t2")) / 2
    np.testing.assert_allclose(_predictions("mean"), mean, atol=1e-5)
    votes = [set(row) for row in zip(_predictions("k2").argmax(1), _predictions("t2").argmax(1), strict=True)]
    assert all(one in said for one, said in zip(_predictions("vote").argmax(1), votes, strict=True))


def test_a_changed_member_is_another_ensemble(params):
    made = params()
    _train(made, "vote")
    keys = {unit["key"] for unit in _record("vote")["units"].values()}
    _train(made.model_copy(update={"systems": {**made.systems, "t2": {**made.systems["t2"], "C": 0.5}}}), "vote")
    assert not keys & {unit["key"] for unit in _record("vote")["units"].values()}
    assert _record("vote")["builds_on"] == ["k2", "t2"]


def test_a_member_without_features_is_an_error_with_the_cure(params):
    made = params()
    systems = {**made.systems, "vote": {**made.systems["vote"], "builds_on": ["t2", "t1"]}}
    with pytest.raises(
        UserError, match=r"^vote builds on t1, which cannot be trained here: .*: or add t1 to candidates"
    ):
        _train(made.model_copy(update={"systems": systems}), "vote")
    assert not Path("artifacts/train/vote").exists()


def test_a_student_learns_the_predictions_of_its_teacher_of_the_same_fold(params, monkeypatch):
    asked, predict = [], members.predict

    def watched(system, experiment, stores, ids, *rest):
        asked.append((experiment.system, sorted({id[5:7] for id in ids})))
        return predict(system, experiment, stores, ids, *rest)

    monkeypatch.setattr(members, "predict", watched)
    _train(params(), "x")
    assert asked == [("t2", ["03", "04"]), ("t2", ["01", "04"])]  # 02 and 03 are the inner speakers
    _train(params(candidates=["k2"]), "k2")
    assert np.abs(_predictions("x") - _predictions("k2")).max() > 1e-3


def test_a_teacher_without_a_kept_model_is_trained_again(params, trained):
    _train(params(), "t2")
    for model in Path("artifacts/units").glob("*/model"):
        (model.parent / "model").rename(model.parent / "moved")
    _train(params(), "x")
    assert trained == ["t2", "t2", "t2", "t2", "x", "x"]


def test_the_final_fit_of_a_student_uses_its_teachers_test_predictions(params):
    features = {name: one.model_dump(exclude_none=True) for name, one in params().features.items()}
    features["mspec-40-dd"] |= {"deltas": 0, "n_mels": 120}
    made = params(features=features, candidates=["x", "t2"])
    made = made.model_copy(update={"budgets": {"demo": made.budget.model_copy(update={"folds": None})}})
    for system in ("t2", "x"):
        _train(made, system)
    Path("artifacts/evaluate").mkdir()
    Path("artifacts/evaluate/metrics.json").write_text(json.dumps({"x": {"ua": 70.0}, "t2": {"ua": 60.0}}))
    execute(load_step("select"), made, recorder=Recorder(quiet=True))
    shipped = json.loads(Path("artifacts/select/model/system.json").read_text())
    assert shipped["id"] == "x" and shipped["builds_on"] == ["t2"]
    Path("artifacts/train/t2/predictions.parquet").unlink()
    with pytest.raises(UserError, match=r"the final fit of x needs the predictions of t2: .*: add t2 to candidates"):
        execute(load_step("select"), made, recorder=Recorder(quiet=True))


def test_systems_that_build_on_others_are_not_searched(params):
    made = params()
    made = made.model_copy(update={"tune": made.tune.model_copy(update={"enabled": True})})
    execute(load_step("tune"), made, "vote", recorder=Recorder(quiet=True))
    assert json.loads(Path("artifacts/tune/vote/best.json").read_text()) == {}


@pytest.mark.parametrize("change", [{"copies": 2}, {"recipe": "level"}, {"min_seconds": 1.0}])
def test_the_inputs_of_a_member_that_is_no_candidate_must_be_made(params, change):
    changed = params(candidates=["vote"]).model_copy(
        update={"needs": {**params().needs, "k2": params().needs["k2"].model_copy(update=change)}}
    )
    with pytest.raises(UserError, match=r"needs\.vote: must have the recipe, .* or add k2 to candidates"):
        check_system_params(changed, "vote")
    check_system_params(changed.model_copy(update={"candidates": ["vote", "k2", "t2"]}), "vote")


def test_a_student_of_an_ensemble_needs_the_models_of_its_members(tmp_path, monkeypatch):
    """The ensemble is finished with its model, its member only as a published record: the member is trained again."""
    monkeypatch.setattr(members, "system_class", lambda config: config)

    def job(key, below, asks):
        config = SimpleNamespace(ASKS_MEMBERS_FOR=asks)
        return SimpleNamespace(key=key, members=below, experiment=SimpleNamespace(config=config))

    teacher = job("t2", (), ())
    vote = job("vote", (teacher,), ("test",))
    student = job("x", (vote,), ("train",))
    store = SimpleNamespace(
        find=lambda key: key if key in ("t2", "vote") else None,
        model_folder=lambda key: tmp_path if key == "vote" else None,
    )
    assert members.to_train([student], store) == [[teacher], [student]]

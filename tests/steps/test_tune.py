"""Step tune through the driver, and step train with its results."""

import json
import os
import signal
from pathlib import Path

import pandas as pd
import pytest

from speech_emotion.commands.search import publish_trials, search_worker, studies
from speech_emotion.errors import UserError
from speech_emotion.search import workers
from speech_emotion.steps import tune
from speech_emotion.steps.driver import execute, load_step
from speech_emotion.systems.catalogue import hyperparameters_of
from told import Told

SPEAKERS = ("01", "02", "03", "04")
FOLDER = Path("artifacts/tune/t2")


def _run(params, name="tune", system="t2"):
    recorder = Told()
    execute(load_step(name), params, system, recorder=recorder)
    return recorder.notes


def _trials():
    return pd.read_csv(FOLDER / "trials.csv", dtype={"fold": str})


def _files():
    return {path.name: path.read_bytes() for path in FOLDER.iterdir()}


def test_search_off_writes_empty_results(workplace):
    _run(workplace())
    assert json.loads((FOLDER / "best.json").read_text()) == {}
    for name in ("trials", "steps", "history", "importance"):
        assert pd.read_csv(FOLDER / f"{name}.csv").empty
    assert not list(FOLDER.glob("*.png"))


@pytest.mark.parametrize("system", ["k2", "t2"])
def test_search_on_finds_hyperparameters_by_fold_and_training_uses_them(workplace, system):
    params = workplace(tune__enabled=True)
    _run(params, "tune", system)
    _run(params, "train", system)
    best = json.loads(Path(f"artifacts/tune/{system}/best.json").read_text())
    assert sorted(best) == list(SPEAKERS)
    units = json.loads(Path(f"artifacts/train/{system}/units.json").read_text())["units"]
    for speaker in SPEAKERS:
        for seed in (0, 1):
            assert units[f"{speaker}-{seed}"]["hyperparameters"] == {
                **hyperparameters_of(params.systems, system),
                **best[speaker],
            }


def test_every_fold_has_the_requested_trials_with_steps_plots_and_history(workplace):
    _run(workplace(tune__enabled=True))
    assert _trials().groupby("fold").size().to_dict() == {speaker: 3 for speaker in SPEAKERS}
    steps = pd.read_csv(FOLDER / "steps.csv", dtype={"fold": str})
    assert list(steps.columns) == ["fold", "trial", "step", "ua"]
    assert steps[steps["trial"] == 0].groupby("fold").size().to_dict() == {speaker: 3 for speaker in SPEAKERS}
    assert len(pd.read_csv(FOLDER / "history.csv")) == 12
    assert {path.name for path in FOLDER.glob("*.png")} == {"history.png", "importance.png"}


def test_raising_trials_runs_only_the_missing_ones(workplace, monkeypatch):
    params = workplace(tune__enabled=True)
    _run(params)
    first = _trials()
    ran = []
    judge = workers.run
    monkeypatch.setattr(workers, "run", lambda *args: ran.append(1) or judge(*args))
    _run(workplace(tune={**params.tune.model_dump(), "trials": 5}))
    assert len(ran) == 2 * len(SPEAKERS)
    pd.testing.assert_frame_equal(_trials().query("trial < 3").reset_index(drop=True), first)


def test_an_interrupted_search_resumes_and_gives_the_same_bytes(workplace, tmp_path, monkeypatch):
    params = workplace(tune__enabled=True)
    _run(params)
    whole = _files()
    Path("artifacts/studies").rename(tmp_path / "finished")
    run, left = workers.run, iter(range(4))

    def interrupted(*args):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return run(*args)

    with monkeypatch.context() as patch:
        patch.setattr(workers, "run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            _run(params)
    assert _files() == whole  # the old output is kept until there is a new one
    _run(params)
    assert _files() == whole


def test_two_workers_write_the_same_as_one(workplace, tmp_path):
    _run(workplace(tune__enabled=True))
    one = _files()
    Path("artifacts/studies").rename(tmp_path / "finished")
    _run(workplace(tune__enabled=True, workers=2))
    assert _files() == one


def test_other_hyperparameters_start_new_studies_and_old_ones_are_reported_until_removed(workplace):
    params = workplace(tune__enabled=True, candidates=["t2"])
    assert not [note for note in _run(params) if "are kept" in note]
    systems = {**params.systems, "t2": {**params.systems["t2"], "C": 0.5}}
    changed = workplace(tune__enabled=True, candidates=["t2"], systems=systems)
    (note,) = [note for note in _run(changed) if "are kept" in note]
    assert note.startswith(
        "t2: 4 studies of other data, params or code are kept; to remove: speech-emotion studies --remove-old"
    )
    assert _trials().query("trial == 0")["C"].tolist() == [0.5] * 4
    told = studies().splitlines()
    assert len(told) == 8 and sum(line.endswith("  old") for line in told) == 4
    assert sum(line.endswith("removed") for line in studies(remove_old=True).splitlines()) == 4
    assert len(studies().splitlines()) == 4
    assert not [note for note in _run(changed) if "are kept" in note]


def test_an_additional_worker_finishes_the_search_and_the_step_uses_it(workplace, monkeypatch):
    params = workplace(tune__enabled=True)
    search_worker("t2")
    monkeypatch.setattr(workers, "run", lambda *args: pytest.fail("ran again"))
    _run(params)
    assert len(_trials()) == 12


def test_a_networks_trials_train_for_fewer_epochs_than_its_folds(workplace):
    params = workplace(tune__enabled=True, tune__epochs=1)
    _run(params, "tune", "k2")
    assert set(pd.read_csv("artifacts/tune/k2/steps.csv")["step"]) == {1}
    _run(params, "train", "k2")
    assert set(pd.read_csv("artifacts/train/k2/curves.csv")["epoch"]) == {1, 2}


def test_published_trials_are_reused_and_the_step_writes_the_same_bytes(workplace, monkeypatch):
    params = workplace(tune__enabled=True)
    _run(params)
    first = _files()
    assert publish_trials(workplace(tune__enabled=True, candidates=["t2"]), Path("papers")) == 12
    Path("artifacts/studies").rename("gone")
    monkeypatch.setattr(workers, "run", lambda *args: pytest.fail("ran again"))
    notes = _run(params)
    assert "t2 fold 01: 3 trials are taken from papers" in notes
    assert _files() == first


def test_published_trials_are_run_again_if_requested(workplace):
    params = workplace(tune__enabled=True, train__published_units=False)
    _run(params)
    publish_trials(workplace(tune__enabled=True, candidates=["t2"]), Path("papers"))
    Path("artifacts/studies").rename("gone")
    assert not [note for note in _run(params) if "are taken from" in note]


def test_a_worker_of_a_search_that_is_off_is_refused(workplace):
    workplace()
    with pytest.raises(UserError, match=r"tune.enabled = False: must be true for a search"):
        search_worker("t2")


def test_a_password_in_params_is_refused(workplace):
    with pytest.raises(UserError, match=r"storage holds a password, .*: remove it and set PGPASSWORD"):
        workplace(tune__storage="postgresql://owner:secret@server/studies")


def test_a_terminated_worker_exits_like_ctrl_c(workplace, monkeypatch):
    workplace(tune__enabled=True)
    monkeypatch.setattr(tune, "join_search", lambda *_arguments: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as ended:
            search_worker("t2")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended.value.code == 128 + signal.SIGTERM

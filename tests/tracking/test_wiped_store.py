"""A wiped store is filled again; a complete one is not changed."""

import json
from pathlib import Path

import pytest

from speech_emotion.commands import store as commands
from speech_emotion.errors import UserError
from speech_emotion.params import load_params
from speech_emotion.recorder import Recorder
from speech_emotion.steps import driver, track
from speech_emotion.steps.step import StepParams
from speech_emotion.tracking.connection import open_store
from speech_emotion.tracking.mirror import complete_keys

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")


@pytest.fixture
def ran(monkeypatch):
    """Names of the steps that were called; they are not really run."""
    names: list[str] = []
    monkeypatch.setattr(driver, "execute", lambda step, params: names.append(step.name))
    return names


@pytest.fixture
def tracked(exported, new_database, tmp_path, monkeypatch):
    """A project folder whose results have been tracked; returns the database's path."""
    uri = new_database()
    params = PARAMS.model_copy(
        update={"track": PARAMS.track.model_copy(update={"uri": uri}), "candidates": ["k2", "t2"]}
    )
    folder = tmp_path / "artifacts" / "track"
    folder.mkdir(parents=True)
    inputs = vars(exported)
    track.run(inputs, StepParams(params, track.STEP.sections), {"tracked": folder}, Recorder(quiet=True))
    monkeypatch.setattr(commands, "load_params", lambda: params)
    monkeypatch.chdir(tmp_path)
    return Path(uri.removeprefix("sqlite:///"))


def test_a_complete_store_is_not_changed_unless_requested(tracked, ran):
    commands.track(if_missing=True)
    assert ran == []
    commands.track()
    assert ran == ["track", "register"]


def test_a_deleted_store_is_filled_again(tracked, ran):
    tracked.unlink()
    commands.track(if_missing=True)
    assert ran == ["track", "register"] and not tracked.exists()


def test_a_store_that_lost_a_run_is_filled_again(tracked, ran):
    with open_store(f"sqlite:///{tracked}", PARAMS.track.experiment) as store:
        wanted = {(one["kind"], one["key"]) for one in json.loads(commands.TRACKED.read_text())}
        assert wanted and wanted <= complete_keys(store)
        (run, *_) = store.client.search_runs([store.experiment], "tags.kind = 'system'")
        store.client.delete_run(run.info.run_id)
        assert not wanted <= complete_keys(store)
    commands.track(if_missing=True)
    assert ran == ["track", "register"]


def test_before_the_first_run_the_cure_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((Path(__file__).parents[2] / "params.yaml").read_text())
    with pytest.raises(UserError, match=r"tracked\.json: does not exist: run make run first"):
        commands.track()

"""Steps track and register, run in sequence as in the graph."""

import json
import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from made_up_results import predictions, utterances, write_system
from speech_emotion.errors import UserError
from speech_emotion.params import load_params
from speech_emotion.recorder import Recorder
from speech_emotion.steps import register, track
from speech_emotion.steps.step import StepParams
from speech_emotion.tracking.connection import open_store
from speech_emotion.tracking.versions import read_state

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")


@pytest.fixture
def graph(exported, tmp_path):
    """Runs both steps on the made-up results with a store; returns the state of the registry."""

    def run(uri):
        params = PARAMS.model_copy(
            update={"track": PARAMS.track.model_copy(update={"uri": uri}), "candidates": ["k2", "t2"]}
        )
        tracked = tmp_path / "tracked"
        shutil.rmtree(tracked, ignore_errors=True)
        tracked.mkdir()
        folders = vars(exported)
        track.run(folders, StepParams(params, track.STEP.sections), {"tracked": tracked}, Recorder(quiet=True))
        inputs = {"tracked": tracked, "trained": exported.trained, "exported": exported.exported}
        outputs = {"registered": tmp_path / "registered"}
        outputs["registered"].mkdir(exist_ok=True)
        register.run(inputs, StepParams(params, register.STEP.sections), outputs, Recorder(quiet=True))
        with open_store(uri, params.track.experiment) as store:
            return read_state(store, params.registry.name), store.client

    return run


@pytest.fixture
def written(tmp_path):
    """Reads the step's output."""
    return lambda: json.loads((tmp_path / "registered" / "registered.json").read_text())


def set_ua(folders, ua):
    metrics = json.loads((folders.evaluation / "metrics.json").read_text())
    metrics["k2"]["ua"] = ua
    (folders.evaluation / "metrics.json").write_text(json.dumps(metrics))


def test_the_best_deployable_system_is_registered_with_its_origin(graph, new_database):
    uri = new_database()
    state, client = graph(uri)
    (version,) = state.versions
    assert state.champion == 1
    assert {name: version.tags[name] for name in ("corpus", "protocol", "data", "system", "licences", "revision")} == {
        "corpus": "emodb",
        "protocol": "emodb-loso",
        "data": "ab" * 32,
        "system": "k2",
        "licences": "CC0-1.0",
        "revision": "0123abc",
    }
    assert float(version.tags["ua"]) == 61.5
    run = client.get_run(version.tags["system_run"])
    assert (run.data.tags["kind"], run.data.tags["system"]) == ("system", "k2")
    assert run.inputs.dataset_inputs[0].dataset.name == "emodb"
    description = client.get_model_version("speech-emotion", "1").description
    assert "# K2, made up" in description
    assert "## Data" not in description
    assert version.run in description
    assert "ab" * 32 in description


def test_the_decision_is_written_to_the_output(graph, written, new_database):
    uri = new_database()
    graph(uri)
    facts = written()["facts"]
    assert written() == {
        "model": "speech-emotion",
        "version": 1,
        "alias": "champion",
        "reason": "there was no champion",
        "facts": facts,
    }
    assert (facts["system"], facts["corpus"], facts["ua"]) == ("k2", "emodb", "61.5")


def test_the_output_is_the_same_in_every_run(graph, written, new_database):
    uri = new_database()
    graph(uri)
    before = written()
    graph(uri)
    assert written() == before


def test_running_again_registers_nothing_and_a_wiped_store_is_filled_again(graph, new_database):
    uri = new_database()
    first, _ = graph(uri)
    again, _ = graph(uri)
    assert again == first
    wiped, _ = graph(new_database("wiped.db"))
    assert (wiped.champion, len(wiped.versions)) == (1, 1)


def test_wiped_artifacts_are_registered_again_and_served_again(graph, new_database, tmp_path):
    uri = new_database()
    graph(uri)
    shutil.rmtree(tmp_path / "mlartifacts")
    state, client = graph(uri)
    assert state.champion == 2
    assert client.list_logged_model_artifacts(state.version(2).model)


def test_another_model_is_tested_against_the_champion_on_its_predictions(graph, exported, new_database, write_model):
    uri = new_database()
    graph(uri)
    rows = utterances(speakers=("f1", "m2"))
    write_system(exported.trained / "k2", predictions(rows, "k2", skill=0.7))
    write_model(exported.exported, seed=1)
    set_ua(exported, 61.9)
    state, _ = graph(uri)
    assert (state.champion, state.challenger) == (1, 2)
    assert "paired test p = " in state.version(2).tags["reason"]


def test_a_model_measured_on_fewer_folds_is_not_compared(graph, exported, new_database, write_model):
    uri = new_database()
    rows = utterances(speakers=("f1", "m2"))
    write_system(exported.trained / "k2", predictions(rows, "k2", skill=0.7))
    graph(uri)
    one = predictions(rows, "k2", skill=0.9)
    write_system(exported.trained / "k2", one[one["fold"] == one["fold"].iloc[0]])
    write_model(exported.exported, seed=1)
    set_ua(exported, 99.0)
    state, _ = graph(uri)
    assert (state.champion, state.challenger) == (1, 2)
    assert "other folds or utterances were tested" in state.version(2).tags["reason"]


def test_a_store_that_fails_decides_nothing_and_one_that_lost_its_files_does(
    graph, exported, new_database, write_model, monkeypatch
):
    uri = new_database()
    state, client = graph(uri)
    run = client.get_run(state.version(1).tags["system_run"])
    rows = utterances(speakers=("f1", "m2"))
    write_system(exported.trained / "k2", predictions(rows, "k2", skill=0.7))
    write_model(exported.exported, seed=1)
    set_ua(exported, 61.9)

    def fails(*_arguments):
        raise MlflowException("status 503: try again")

    with monkeypatch.context() as patched, pytest.raises(UserError, match=r"track\.uri = .*status 503"):
        patched.setattr(MlflowClient, "download_artifacts", fails)
        graph(uri)
    shutil.rmtree(run.info.artifact_uri.removeprefix("file://"))
    state, _ = graph(uri)
    assert (state.champion, state.challenger) == (1, 2)
    assert "the predictions of version 1 are gone from the store" in state.version(2).tags["reason"]


def test_without_a_deployable_system_nothing_is_registered(graph, written, exported, new_database):
    for path in exported.exported.iterdir():
        path.unlink()
    state, _ = graph(new_database())
    assert state.versions == ()
    assert (written()["version"], written()["reason"]) == (None, "no candidate can run on the device")

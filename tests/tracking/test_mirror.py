import json
import shutil

import mlflow
import numpy as np
import pytest

from made_up_results import LABELS
from speech_emotion.recorder import Recorder
from speech_emotion.tracking.connection import open_store
from speech_emotion.tracking.contents import read_entries
from speech_emotion.tracking.mirror import Report, mirror

SYSTEMS = ("k2", "t2")
RUNS = 2 * (1 + 2) + 1  # systems with their units, the comparison


def bring(folders, uri, experiment="speech-emotion"):
    with open_store(uri, experiment) as store:
        return mirror(store, read_entries(folders, SYSTEMS), Recorder(quiet=True))


def runs(uri, wanted="", experiment="speech-emotion"):
    with open_store(uri, experiment) as store:
        return list(store.client.search_runs([store.experiment], wanted))


def models(uri):
    with open_store(uri, "speech-emotion") as store:
        return list(store.client.search_logged_models([store.experiment]))


@pytest.fixture
def mirrored(folders, new_database):
    uri = new_database()
    assert bring(folders, uri) == Report(made=RUNS)
    return uri


def test_second_time_nothing_is_made(folders, mirrored):
    assert bring(folders, mirrored) == Report(found=RUNS)
    assert len(runs(mirrored)) == RUNS


def test_every_run_holds_what_it_should(folders, mirrored):
    (k2,) = runs(mirrored, "tags.system = 'k2' and tags.kind = 'system'")
    assert k2.info.status == "FINISHED"
    assert k2.data.metrics["ua"] == 61.5
    assert k2.data.params["hyperparameters.learning_rate"] == "0.001"
    assert k2.data.tags["mlflow.source.git.commit"] == "0123abc"
    (dataset,) = k2.inputs.dataset_inputs
    assert (dataset.dataset.name, dataset.dataset.digest) == ("emodb", ("ab" * 32)[:36])
    assert {tag.key: tag.value for tag in dataset.tags}["licence"] == "CC0-1.0"
    with open_store(mirrored, "speech-emotion") as store:
        client = store.client
        names = {file.path for file in client.list_artifacts(k2.info.run_id)}
        assert {"predictions.parquet", "units.json", "curves.csv", "figures", "confusion"} <= names
        (unit,) = client.search_runs(
            [store.experiment], f"tags.`mlflow.parentRunId` = '{k2.info.run_id}' and params.fold = 'm2'"
        )
        history = client.get_metric_history(unit.info.run_id, "valid_loss")
    entry = read_entries(folders, SYSTEMS)[0]
    curve = next(child.curves["valid_loss"] for child in entry.children if child.params["fold"] == "m2")
    assert [point.step for point in history] == [epoch for epoch, _ in curve]
    assert [point.value for point in history] == pytest.approx([value for _, value in curve])
    assert unit.data.metrics["ua"] == 50.0


def test_selected_model_is_there_once_and_loads_and_predicts(exported, new_database):
    uri = new_database()
    assert bring(exported, uri) == Report(made=RUNS + 1)
    assert bring(exported, uri) == Report(found=RUNS + 1)
    (model,) = models(uri)
    with open_store(uri, "speech-emotion"):
        loaded = mlflow.pyfunc.load_model(f"models:/{model.model_id}")
    assert loaded.metadata.signature.inputs.input_names() == ["waveform", "sample_rate"]
    waveform = np.repeat([0.0, 1.0, 0.0, 0.0], 4).tolist()
    assert loaded.predict({"waveform": waveform})["emotion"].tolist() == [LABELS[1]]


def test_wiped_database_is_filled_again(folders, mirrored, new_database):
    wiped = new_database("after-the-wipe.db")
    assert bring(folders, wiped) == Report(made=RUNS)
    assert bring(folders, wiped) == Report(found=RUNS)


def test_wiped_artifacts_are_brought_again_without_doubling_runs(exported, new_database, tmp_path):
    uri = new_database()
    bring(exported, uri)
    shutil.rmtree(tmp_path / "mlartifacts")
    assert bring(exported, uri) == Report(updated=4, found=4)  # units have no files
    assert len(runs(uri)) == RUNS + 1
    assert len(models(uri)) == 1
    assert bring(exported, uri) == Report(found=RUNS + 1)


@pytest.mark.parametrize("calls", [1, 5, 11, 19])
def test_killed_in_the_middle_is_completed_by_the_next_run(folders, new_database, monkeypatch, calls):
    uri = new_database()
    count = 0

    def counted(method):
        def call(*arguments, **named):
            nonlocal count
            count += 1
            if count == calls:
                raise KeyboardInterrupt
            return method(*arguments, **named)

        return call

    with monkeypatch.context() as patched:
        for name in ("create_run", "log_artifact"):
            patched.setattr(mlflow.MlflowClient, name, counted(getattr(mlflow.MlflowClient, name)))
        with pytest.raises(KeyboardInterrupt):
            bring(folders, uri)
    assert len(runs(uri)) < RUNS
    bring(folders, uri)
    assert len(runs(uri)) == RUNS
    assert all("complete" in run.data.tags and run.info.status == "FINISHED" for run in runs(uri))
    assert bring(folders, uri) == Report(found=RUNS)


def test_model_killed_before_its_end_is_not_there_twice(exported, new_database, monkeypatch):
    uri = new_database()

    def killed(client, id, key, value):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, open_store(uri, "speech-emotion") as store:
        entries = [entry for entry in read_entries(exported, SYSTEMS) if entry.kind == "model"]
        patched.setattr(mlflow.MlflowClient, "set_tag", killed)  # the tag `complete` is the last thing written
        with pytest.raises(KeyboardInterrupt):
            mirror(store, entries, Recorder(quiet=True))
    assert len(models(uri)) == 1
    assert bring(exported, uri) == Report(made=RUNS + 1, removed=1)
    assert len(models(uri)) == 1
    assert len(runs(uri)) == RUNS + 1


def test_deleted_run_is_made_again(folders, mirrored):
    victims = runs(mirrored, "tags.system = 't2' and tags.kind = 'unit'")
    with open_store(mirrored, "speech-emotion") as store:
        for run in victims:
            store.client.delete_run(run.info.run_id)
    assert bring(folders, mirrored) == Report(found=RUNS - 2, made=2)
    assert len(runs(mirrored)) == RUNS


def test_doubled_run_is_removed(folders, mirrored):
    (k2,) = runs(mirrored, "tags.system = 'k2' and tags.kind = 'system'")
    with open_store(mirrored, "speech-emotion") as store:
        tags = {name: value for name, value in k2.data.tags.items() if not name.startswith("mlflow.")}
        store.client.create_run(store.experiment, tags={name: tags[name] for name in tags if name != "complete"})
    assert bring(folders, mirrored) == Report(found=RUNS, removed=1)


def test_new_figures_bring_the_run_up_to_date_in_place(folders, mirrored):
    path = folders.evaluation / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["k2"]["ua"] = 70.0
    path.write_text(json.dumps(metrics))
    before = runs(mirrored, "tags.system = 'k2' and tags.kind = 'system'")[0]
    report = bring(folders, mirrored)
    after = runs(mirrored, "tags.system = 'k2' and tags.kind = 'system'")
    assert report.updated == 1
    assert [run.info.run_id for run in after] == [before.info.run_id]
    assert after[0].data.metrics["ua"] == 70.0
    assert after[0].info.status == "FINISHED"


def test_other_trainings_are_other_runs_and_the_old_ones_stay(folders, mirrored):
    path = folders.trained / "t2" / "units.json"
    units = json.loads(path.read_text())
    units["hyperparameters"]["learning_rate"] = 0.01
    path.write_text(json.dumps(units))
    bring(folders, mirrored)
    found = runs(mirrored, "tags.system = 't2' and tags.kind = 'system'")
    assert sorted(run.data.params["hyperparameters.learning_rate"] for run in found) == ["0.001", "0.01"]

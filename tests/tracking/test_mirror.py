import json
import multiprocessing
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from made_up_results import LABELS
from speech_emotion.recorder import Recorder, Training
from speech_emotion.tracking import details
from speech_emotion.tracking.connection import open_store
from speech_emotion.tracking.contents import read_entries
from speech_emotion.tracking.journal import JournalRecorder
from speech_emotion.tracking.live import LiveRuns
from speech_emotion.tracking.mirror import Report, mirror

SYSTEMS = ("k2", "t2")
LEASE = 60.0  # seconds
RUNS = 2 * (1 + 2) + 1  # systems with their units, the comparison


def bring(folders, uri, experiment="speech-emotion"):
    with open_store(uri, experiment) as store:
        return mirror(store, read_entries(folders, SYSTEMS), LEASE, Recorder(quiet=True))


def runs(uri, wanted="", experiment="speech-emotion"):
    with open_store(uri, experiment) as store:
        return list(store.client.search_runs([store.experiment], wanted))


def models(uri):
    with open_store(uri, "speech-emotion") as store:
        return list(store.client.search_logged_models([store.experiment]))


@pytest.fixture(autouse=True)
def quick_pictures(monkeypatch):
    """Drawing would take most of the time; test_details.py tests it."""
    monkeypatch.setattr(details, "confusion_matrix", lambda path, result, setting: Image.new("RGB", (8, 8)).save(path))


@pytest.fixture
def mirrored(folders, new_database):
    uri = new_database()
    assert bring(folders, uri) == Report(made=RUNS)
    return uri


def test_a_second_call_makes_nothing(folders, mirrored):
    assert bring(folders, mirrored) == Report(found=RUNS)
    assert len(runs(mirrored)) == RUNS


def test_every_run_has_its_tags_figures_and_files(folders, mirrored):
    (k2,) = runs(mirrored, "tags.system = 'k2' and tags.kind = 'system'")
    assert k2.info.status == "FINISHED"
    assert k2.info.end_time == k2.info.start_time  # the duration of its trainings is unknown
    assert k2.data.metrics["ua"] == 61.5
    assert k2.data.params["hyperparameters.learning_rate"] == "0.001"
    assert k2.data.tags["mlflow.source.git.commit"] == "0123abc"
    (dataset,) = k2.inputs.dataset_inputs
    assert (dataset.dataset.name, dataset.dataset.digest) == ("emodb", ("ab" * 32)[:36])
    assert {tag.key: tag.value for tag in dataset.tags}["licence"] == "CC0-1.0"
    version = {"dvc": "77.dir", "remote": "s3://speech/store"}
    assert json.loads(dataset.dataset.source) == {"uri": "data/emodb", **version}
    assert json.loads(dataset.dataset.profile).items() >= version.items()
    with open_store(mirrored, "speech-emotion") as store:
        client = store.client
        names = {file.path for file in client.list_artifacts(k2.info.run_id)}
        assert {"predictions.parquet", "predictions.json", "units.json", "curves.csv", "figures", "confusion"} <= names
        pictures = {file.path for file in client.list_artifacts(k2.info.run_id, "images")}
        assert pictures and all(path.startswith("images/confusion") for path in pictures)
        (unit,) = client.search_runs(
            [store.experiment], f"tags.`mlflow.parentRunId` = '{k2.info.run_id}' and params.fold = 'm2'"
        )
        history = client.get_metric_history(unit.info.run_id, "valid_loss")
    entry = read_entries(folders, SYSTEMS)[0]
    curve = next(child.curves["valid_loss"] for child in entry.children if child.params["fold"] == "m2")
    assert [point.step for point in history] == [epoch for epoch, _ in curve]
    assert [point.value for point in history] == pytest.approx([value for _, value in curve])
    assert unit.data.metrics["ua"] == 50.0


def test_without_provenance_the_dataset_is_the_projects_folder(folders, new_database):
    (folders.provenance / "ingest.json").unlink()
    uri = new_database()
    bring(folders, uri)
    (dataset,) = runs(uri, "tags.kind = 'comparison'")[0].inputs.dataset_inputs
    assert json.loads(dataset.dataset.source) == {"uri": "data/emodb"}


def test_pages_describe_what_was_measured(mirrored):
    (k2,) = runs(mirrored, "tags.system = 'k2' and tags.kind = 'system'")
    note = k2.data.tags["mlflow.note.content"]
    assert "| UA | 61.5 % |" in note
    assert "speaker-independent" in note


def test_a_unit_has_its_own_predictions_as_file_and_table_and_its_own_confusion(mirrored, tmp_path):
    (unit,) = runs(mirrored, "tags.kind = 'unit' and tags.system = 'k2' and params.fold = 'm2'")
    assert json.loads(unit.data.tags["mlflow.loggedArtifacts"]) == [{"path": "predictions.json", "type": "table"}]
    with open_store(mirrored, "speech-emotion") as store:
        path = store.client.download_artifacts(unit.info.run_id, "predictions.parquet", tmp_path)
        table = Path(store.client.download_artifacts(unit.info.run_id, "predictions.json", tmp_path))
        picture = store.client.download_artifacts(unit.info.run_id, "figures/confusion.png", tmp_path)
        assert Path(picture).read_bytes().startswith(b"\x89PNG")
    rows, table = pd.read_parquet(path), json.loads(table.read_text())
    assert set(rows["speaker"]) == {"m2"}
    assert len(table["data"]) == len(rows)
    assert {"id", "emotion", "predicted", "right", "confidence"} <= set(table["columns"])


def test_the_selected_model_is_logged_once_and_loads_and_predicts(exported, new_database):
    uri = new_database()
    assert bring(exported, uri) == Report(made=RUNS + 1)
    assert bring(exported, uri) == Report(found=RUNS + 1)
    (model,) = models(uri)
    with open_store(uri, "speech-emotion"):
        loaded = mlflow.pyfunc.load_model(f"models:/{model.model_id}")
    assert loaded.metadata.signature.inputs.input_names() == ["waveform", "sample_rate"]
    waveform = np.repeat([0.0, 1.0, 0.0, 0.0], 4).tolist()
    assert loaded.predict({"waveform": waveform})["emotion"].tolist() == [LABELS[1]]


def test_the_models_page_describes_it_and_names_the_revision(exported, new_database):
    uri = new_database()
    bring(exported, uri)
    (run,) = runs(uri, "tags.kind = 'model'")
    note = run.data.tags["mlflow.note.content"]
    assert "**K2** as shipped" in note
    assert run.data.tags["mlflow.source.git.commit"] == "0123abc"


def test_every_system_has_a_colour_of_its_own_in_the_charts(mirrored):
    colours = [run.data.tags["mlflow.runColor"] for run in runs(mirrored, "tags.kind = 'system'")]
    assert len(set(colours)) == len(SYSTEMS)


def test_wiped_database_is_filled_again(folders, mirrored, new_database):
    wiped = new_database("after-the-wipe.db")
    assert bring(folders, wiped) == Report(made=RUNS)
    assert bring(folders, wiped) == Report(found=RUNS)


def test_wiped_artifacts_are_restored_without_duplicate_runs(exported, new_database, tmp_path):
    uri = new_database()
    bring(exported, uri)
    shutil.rmtree(tmp_path / "mlartifacts")
    assert bring(exported, uri) == Report(updated=RUNS + 1)
    assert len(runs(uri)) == RUNS + 1
    assert len(models(uri)) == 1
    assert bring(exported, uri) == Report(found=RUNS + 1)


@pytest.mark.parametrize("calls", [1, 5, 11, 19])
def test_the_next_run_completes_a_killed_one(folders, new_database, monkeypatch, calls):
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


def test_a_model_whose_logging_was_killed_is_not_logged_twice(exported, new_database, monkeypatch):
    uri = new_database()

    def killed(client, id, key, value):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, open_store(uri, "speech-emotion") as store:
        entries = [entry for entry in read_entries(exported, SYSTEMS) if entry.kind == "model"]
        patched.setattr(mlflow.MlflowClient, "set_tag", killed)  # the tag `complete` is the last thing written
        with pytest.raises(KeyboardInterrupt):
            mirror(store, entries, LEASE, Recorder(quiet=True))
    assert len(models(uri)) == 1
    assert bring(exported, uri) == Report(made=RUNS + 1, removed=1)
    assert len(models(uri)) == 1
    assert len(runs(uri)) == RUNS + 1


def test_a_deleted_run_is_made_again(folders, mirrored):
    victims = runs(mirrored, "tags.system = 't2' and tags.kind = 'unit'")
    with open_store(mirrored, "speech-emotion") as store:
        for run in victims:
            store.client.delete_run(run.info.run_id)
    assert bring(folders, mirrored) == Report(found=RUNS - 2, made=2)
    assert len(runs(mirrored)) == RUNS


def test_a_duplicate_run_is_removed(folders, mirrored):
    (k2,) = runs(mirrored, "tags.system = 'k2' and tags.kind = 'system'")
    with open_store(mirrored, "speech-emotion") as store:
        tags = {name: value for name, value in k2.data.tags.items() if not name.startswith("mlflow.")}
        store.client.create_run(store.experiment, tags={name: tags[name] for name in tags if name != "complete"})
    assert bring(folders, mirrored) == Report(found=RUNS, removed=1)


def test_new_figures_update_the_run_in_place(folders, mirrored):
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


def test_other_trainings_make_new_runs_and_the_old_ones_stay(folders, mirrored):
    path = folders.trained / "t2" / "units.json"
    units = json.loads(path.read_text())
    units["hyperparameters"]["learning_rate"] = 0.01
    path.write_text(json.dumps(units))
    bring(folders, mirrored)
    found = runs(mirrored, "tags.system = 't2' and tags.kind = 'system'")
    assert sorted(run.data.params["hyperparameters.learning_rate"] for run in found) == ["0.001", "0.01"]


def train_live(folders, uri, folds=("f1", "m2"), status="FINISHED", together=("k2f1", "k2m2"), watch=True):
    """Makes the journal and the live view of units of k2, with one sample of the machine, without training."""
    recorder = JournalRecorder(folders.journals, 10.0, quiet=True)
    view = LiveRuns(recorder.folder, recorder.session)
    with open_store(uri, "speech-emotion") as store:
        for fold in folds:
            unit = Training(f"k2{fold}", together, "emodb", "emodb-loso", "k2", fold, 0, {"learning_rate": 0.001}, 3)
            with recorder.training(unit) as on_epoch:
                on_epoch(1, {"epoch": 1, "loss": 9.5})
            path = recorder.folder / f"{unit.key}.jsonl"
            start, *lines = [line for line in path.read_text().splitlines() if '"event": "system"' not in line]
            sample = json.dumps({"event": "system", "time": 5, "values": {"process_memory_megabytes": 42.0}})
            path.write_text("\n".join([start, sample, *lines]) + "\n")
            if watch:
                view.poll(store)
        if watch:
            view.close(store, status)


def test_watched_trainings_become_results_in_the_same_runs(folders, new_database):
    uri = new_database()
    train_live(folders, uri)
    watched = {run.info.run_id for run in runs(uri)}
    assert bring(folders, uri) == Report(taken=3, made=RUNS - 3)
    found = runs(uri)
    assert len(found) == RUNS
    assert watched <= {run.info.run_id for run in found}
    assert not any({"live", "progress", "process", "seen"} & set(run.data.tags) for run in found)
    (unit,) = runs(uri, "tags.kind = 'unit' and tags.unit = 'k2m2'")
    assert unit.data.metrics["system/process_memory_megabytes"] == 42.0
    assert unit.data.metrics["seconds"] >= 0
    assert unit.data.metrics["ua"] == 50.0
    with open_store(uri, "speech-emotion") as store:
        history = store.client.get_metric_history(unit.info.run_id, "loss")
        curve = next(
            child.curves["loss"] for child in read_entries(folders, SYSTEMS)[0].children if child.params["fold"] == "m2"
        )
    assert [point.step for point in history] == [epoch for epoch, _ in curve]
    assert bring(folders, uri) == Report(found=RUNS)


def test_wiped_store_gets_times_and_samples_back_from_the_journals(folders, new_database):
    uri = new_database()
    train_live(folders, uri, watch=False)
    assert bring(folders, uri) == Report(made=RUNS)
    (unit,) = runs(uri, "tags.kind = 'unit' and tags.unit = 'k2m2'")
    assert unit.data.metrics["system/process_memory_megabytes"] == 42.0
    assert unit.info.start_time == read_entries(folders, SYSTEMS)[0].children[1].period.start
    (system,) = runs(uri, "tags.kind = 'system' and tags.system = 'k2'")
    assert system.data.metrics["seconds"] >= unit.data.metrics["seconds"]


def test_without_journals_the_runs_stay_as_they_are(folders, new_database):
    uri = new_database()
    train_live(folders, uri)
    bring(folders, uri)
    shutil.rmtree(folders.journals)
    assert bring(folders, uri) == Report(found=RUNS)


def test_the_remains_of_a_killed_training_of_a_finished_unit_are_removed(folders, new_database):
    uri = new_database()
    train_live(folders, uri, folds=("f1",))
    with open_store(uri, "speech-emotion") as store:
        for run in store.client.search_runs([store.experiment]):
            store.client.set_terminated(run.info.run_id, "KILLED")
    train_live(folders, uri)
    report = bring(folders, uri)
    assert (report.taken, report.removed) == (3, 1)
    assert len(runs(uri)) == RUNS


def test_units_of_a_result_that_changed_move_to_the_new_one(folders, new_database):
    uri = new_database()
    train_live(folders, uri, folds=("f1",), together=("k2f1", "gone"), status="KILLED")
    report = bring(folders, uri)
    assert (report.taken, report.removed) == (1, 1)  # the unit, the run above it
    assert len(runs(uri)) == RUNS
    (unit,) = runs(uri, "tags.kind = 'unit' and tags.unit = 'k2f1'")
    (system,) = runs(uri, "tags.kind = 'system' and tags.system = 'k2'")
    assert unit.data.tags["mlflow.parentRunId"] == system.info.run_id


def test_an_unfinished_training_of_another_system_stays_as_it_is(folders, new_database):
    uri = new_database()
    train_live(folders, uri, folds=("f3",), together=("k2f3", "k2m3"), status="KILLED")
    assert bring(folders, uri) == Report(made=RUNS)
    assert len(runs(uri)) == RUNS + 2
    assert {run.data.tags["kind"] for run in runs(uri, "tags.live = 'true'")} == {"system", "unit"}


def test_a_unit_trained_again_has_only_the_newer_run(folders, new_database):
    uri = new_database()
    train_live(folders, uri)
    bring(folders, uri)
    before = {run.info.run_id for run in runs(uri, "tags.kind = 'unit' and tags.system = 'k2'")}
    train_live(folders, uri, folds=("f1",))
    report = bring(folders, uri)
    assert (report.taken, report.removed) == (1, 1)
    after = {run.info.run_id for run in runs(uri, "tags.kind = 'unit' and tags.system = 'k2'")}
    assert len(after) == 2
    assert len(after & before) == 1
    assert len(runs(uri)) == RUNS


def test_trials_are_below_their_system(folders, new_database):
    uri = new_database()
    (folders.tuned / "k2" / "trials.csv").write_text(
        "fold,trial,state,ua,layers\nf1,0,complete,0.5,2\nf1,1,pruned,,3\n"
    )
    assert bring(folders, uri) == Report(made=RUNS + 2)
    (system,) = runs(uri, "tags.kind = 'system' and tags.system = 'k2'")
    trials = runs(uri, f"tags.kind = 'trial' and tags.`mlflow.parentRunId` = '{system.info.run_id}'")
    assert {run.info.run_name: run.info.status for run in trials} == {
        "k2 fold f1 trial 0": "FINISHED",
        "k2 fold f1 trial 1": "KILLED",
    }
    assert bring(folders, uri) == Report(found=RUNS + 2)


def test_two_processes_with_the_same_results_take_turns(folders, new_database):
    uri = new_database()
    bring(folders, uri)  # one process creates the tables
    with open_store(uri, "speech-emotion") as store:
        for run in store.client.search_runs([store.experiment]):
            store.client.delete_run(run.info.run_id)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        reports = [report.result() for report in [pool.submit(bring, folders, uri) for _ in range(2)]]
    assert sorted((report.made, report.found, report.removed) for report in reports) == [(0, RUNS, 0), (RUNS, 0, 0)]
    assert len(runs(uri)) == RUNS

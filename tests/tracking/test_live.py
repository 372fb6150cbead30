import json
import multiprocessing

import mlflow
import pytest
from mlflow.exceptions import MlflowException

from speech_emotion.recorder import Training
from speech_emotion.tracking.connection import open_store
from speech_emotion.tracking.journal import JournalRecorder, now, this_process
from speech_emotion.tracking.live import DEAD_AFTER, LiveRuns, end_dead_runs
from speech_emotion.tracking.tags import PROCESS, SEEN

KEYS = ("aa", "bb")


def unit(key="aa", together=KEYS):
    fold = str(together.index(key))
    return Training(key, tuple(together), "emodb", "emodb-loso", "k2", fold, 0, {"units": 4, "layers": [1, 2]}, 3)


def values(epoch):
    return {"epoch": epoch, "loss": 1 / epoch, "valid_loss": 2 / epoch, "valid_ua": epoch / 10}


@pytest.fixture
def store(new_database):
    with open_store(new_database(), "mine") as store:
        yield store


@pytest.fixture
def recorder(tmp_path):
    return JournalRecorder(tmp_path / "journals", 10.0, quiet=True)


@pytest.fixture
def view(recorder):
    return LiveRuns(recorder.folder, recorder.session)


def runs(store, wanted=""):
    return list(store.client.search_runs([store.experiment], wanted))


def steps(store, run, name="loss"):
    return [point.step for point in store.client.get_metric_history(run.info.run_id, name)]


def test_a_run_grows_while_its_unit_trains(store, recorder, view):
    with recorder.training(unit()) as on_epoch:
        on_epoch(1, values(1))
        view.poll(store)
        (run,) = runs(store, "tags.kind = 'unit'")
        assert run.info.status == "RUNNING"
        assert steps(store, run) == [1]
        on_epoch(2, values(2))
        view.poll(store)
        assert steps(store, run) == [1, 2]
        assert runs(store, "tags.kind = 'unit'")[0].data.tags["progress"] == "epoch 2 of at most 3"
    view.poll(store)
    (run,) = runs(store, "tags.kind = 'unit'")
    assert run.info.status == "FINISHED"
    assert run.data.metrics["valid_ua"] == 0.2
    assert run.data.metrics["seconds"] >= 0
    assert run.data.params == {"fold": "0", "seed": "0", "hyperparameters.units": "4", "hyperparameters.layers": "1 2"}


def test_units_are_below_one_run_that_shows_their_progress(store, recorder, view):
    with recorder.training(unit("aa")):
        pass
    with recorder.training(unit("bb")):
        view.poll(store)
    (parent,) = runs(store, "tags.kind = 'system'")
    children = runs(store, f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    assert len(children) == 2
    assert parent.data.tags["progress"] == "1 trained now, 1 in progress, 2 in all"
    assert parent.info.status == "RUNNING"
    view.close(store, "FINISHED")
    assert {run.info.status for run in runs(store)} == {"FINISHED"}


def test_journals_of_another_session_are_ignored(store, recorder, view, tmp_path):
    earlier = JournalRecorder(recorder.folder, 10.0, quiet=True)
    with earlier.training(unit()):
        pass
    view.poll(store)
    assert runs(store) == []
    with recorder.training(unit()):
        pass
    view.poll(store)
    assert len(runs(store, "tags.kind = 'unit'")) == 1


def test_lines_that_the_store_refused_are_written_once_by_the_next_look(store, recorder, view, monkeypatch):
    log_batch, calls = mlflow.MlflowClient.log_batch, []

    def once_failing(client, *arguments, **named):
        calls.append(1)
        if len(calls) == 2:  # the first one writes the params
            raise MlflowException("database is locked")
        return log_batch(client, *arguments, **named)

    monkeypatch.setattr(mlflow.MlflowClient, "log_batch", once_failing)
    with recorder.training(unit()) as on_epoch:
        on_epoch(1, values(1))
        with pytest.raises(MlflowException):
            view.poll(store)
        on_epoch(2, values(2))
        view.poll(store)
    (run,) = runs(store, "tags.kind = 'unit'")
    assert steps(store, run) == [1, 2]


def test_units_that_are_unfinished_at_the_end_are_marked_killed(store, recorder, view):
    with recorder.training(unit()) as on_epoch:
        on_epoch(1, values(1))
        view.close(store, "KILLED")
        assert {run.info.status for run in runs(store)} == {"KILLED"}


def test_a_failed_unit_has_its_error_as_a_tag(store, recorder, view):
    with pytest.raises(ValueError), recorder.training(unit()):
        raise ValueError("loss = nan")
    view.poll(store)
    (run,) = runs(store, "tags.kind = 'unit'")
    assert run.info.status == "FAILED"
    assert run.data.tags["error"] == "loss = nan"


def test_a_resumed_training_continues_below_the_same_run(store, recorder, view):
    with recorder.training(unit("aa")):
        pass
    view.close(store, "KILLED")
    again = JournalRecorder(recorder.folder, 10.0, quiet=True)
    with again.training(unit("bb")):
        LiveRuns(again.folder, again.session).poll(store)
        (parent,) = runs(store, "tags.kind = 'system'")
        assert parent.info.status == "RUNNING"
    assert len(runs(store, f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")) == 2


@pytest.mark.parametrize(
    ("process", "age", "dead"),
    [
        ({}, 0, False),
        ({"pid": 2**22 + 1}, 0, True),
        ({"host": "elsewhere"}, DEAD_AFTER // 2, False),
        ({"host": "elsewhere"}, 2 * DEAD_AFTER, True),
    ],
)
def test_runs_of_processes_that_are_gone_are_marked_killed(store, recorder, view, process, age, dead):
    with recorder.training(unit()):
        view.poll(store)
        for run in runs(store):
            store.client.set_tag(run.info.run_id, PROCESS, json.dumps({**this_process(), **process}))
            store.client.set_tag(run.info.run_id, SEEN, str(now() - age))
        assert end_dead_runs(store) == (2 if dead else 0)
        assert {run.info.status for run in runs(store)} == {"KILLED" if dead else "RUNNING"}


def _write(folder, uri, number, epochs):
    recorder = JournalRecorder(folder / str(number), 10.0, quiet=True)
    view = LiveRuns(recorder.folder, recorder.session)
    with open_store(uri, "mine") as store:
        with recorder.training(unit("aa", ("aa", f"other {number}"))) as on_epoch:
            for epoch in range(1, epochs + 1):
                on_epoch(epoch, values(epoch))
                view.poll(store)
        view.close(store, "FINISHED")


def test_two_processes_write_to_one_database_at_once(new_database, tmp_path):
    uri, epochs = new_database(), 30
    context = multiprocessing.get_context("fork")  # importing the library again would take most of the time
    writers = [context.Process(target=_write, args=(tmp_path, uri, number, epochs)) for number in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    with open_store(uri, "mine") as store:
        units = runs(store, "tags.kind = 'unit'")
        assert len(units) == 2
        for run in units:
            assert steps(store, run) == list(range(1, epochs + 1))

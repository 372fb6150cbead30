import threading

import pytest

from speech_emotion.params import Track
from speech_emotion.recorder import Training
from speech_emotion.tracking import connection, live, watching
from speech_emotion.tracking.connection import open_store
from speech_emotion.tracking.journal import JournalRecorder
from speech_emotion.tracking.watching import watched

UNIT = Training("aa", ("aa",), "emodb", "emodb-loso", "k2", "03", 0, {}, 3)
PATIENCE_OF_TESTS = 60  # seconds until a test gives up


class Listening(JournalRecorder):
    """Keeps the notes."""

    def __init__(self, folder):
        super().__init__(folder, 10.0, quiet=True)
        self.notes, self.warned = [], threading.Event()

    def note(self, text):
        self.notes.append(text)
        if text.startswith("warning"):
            self.warned.set()


@pytest.fixture
def recorder(tmp_path):
    return Listening(tmp_path / "journals")


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(watching, "INTERVAL", 0.01)
    monkeypatch.setattr(watching, "PATIENCE", 0.01)


def track(uri, live=True):
    return Track(uri=uri, experiment="mine", live=live, sample_seconds=10.0)


def test_a_training_is_in_the_store_while_it_runs_and_is_ended_afterwards(recorder, new_database, monkeypatch):
    uri, seen, begin = new_database(), threading.Event(), live.LiveRuns._begin
    monkeypatch.setattr(live.LiveRuns, "_begin", lambda *arguments: (begin(*arguments), seen.set()))
    with watched(recorder, track(uri)), recorder.training(UNIT) as on_epoch:
        assert seen.wait(PATIENCE_OF_TESTS)
        on_epoch(1, {"epoch": 1, "loss": 0.5})
    with open_store(uri, "mine") as store:
        runs = store.client.search_runs([store.experiment])
        assert {run.info.status for run in runs} == {"FINISHED"}
        (unit,) = (run for run in runs if run.data.tags["kind"] == "unit")
        assert unit.data.metrics["loss"] == 0.5


def test_a_failed_step_leaves_no_run_in_progress(recorder, new_database, monkeypatch):
    uri, seen, begin = new_database(), threading.Event(), live.LiveRuns._begin
    monkeypatch.setattr(live.LiveRuns, "_begin", lambda *arguments: (begin(*arguments), seen.set()))
    with pytest.raises(KeyboardInterrupt), watched(recorder, track(uri)), recorder.training(UNIT):
        assert seen.wait(PATIENCE_OF_TESTS)
        raise KeyboardInterrupt
    with open_store(uri, "mine") as store:
        assert {run.info.status for run in store.client.search_runs([store.experiment])} == {"KILLED"}


def test_an_unreachable_store_causes_one_warning_and_training_goes_on(recorder):
    trained = []
    with watched(recorder, track("http://127.0.0.1:9")):
        for _ in range(2):
            with recorder.training(UNIT):
                assert recorder.warned.wait(PATIENCE_OF_TESTS)
                trained.append(1)
    assert len(trained) == 2
    (warning,) = recorder.notes
    assert warning.startswith("warning: no live view: track.uri = http://127.0.0.1:9: no answer")
    assert "the training goes on" in warning


def test_the_live_view_gives_up_on_a_failing_store_with_one_warning(recorder, new_database, monkeypatch):
    def fail(self, store):
        raise OSError("disk full")

    monkeypatch.setattr(live.LiveRuns, "poll", fail)
    with watched(recorder, track(new_database())), recorder.training(UNIT):
        assert recorder.warned.wait(PATIENCE_OF_TESTS)
    assert [note.partition(":")[0] for note in recorder.notes] == ["watch the training", "warning"]
    assert "disk full" in recorder.notes[1]


@pytest.mark.parametrize("shown", [True, False])
def test_the_store_is_not_opened_for_short_trainings_or_without_live_view(recorder, new_database, monkeypatch, shown):
    monkeypatch.setattr(watching, "PATIENCE", 60.0)
    monkeypatch.setattr(connection, "open_store", lambda *arguments: pytest.fail("opened"))
    threads = threading.active_count()
    with watched(recorder, track(new_database(), live=shown)), recorder.training(UNIT):
        pass
    assert threading.active_count() == threads
    assert recorder.notes == []

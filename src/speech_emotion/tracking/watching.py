"""The live view of a training: a thread copies its journals to the store, without ever holding up the training."""

import contextlib
import threading
from collections.abc import Iterator

from speech_emotion.errors import UserError
from speech_emotion.params import Track
from speech_emotion.tracking.journal import FAILED, FINISHED, KILLED, SUFFIX, JournalRecorder

INTERVAL = 2.0  # seconds between two looks at the journals
PATIENCE = 3.0  # seconds of training before the store is opened; shorter trainings are not watched
TRIES = 5  # failed looks in a row before giving up on a store that answered before
SECONDS_TO_END = 60.0  # to write the last lines after the training


@contextlib.contextmanager
def watched(recorder: JournalRecorder, track: Track) -> Iterator[None]:
    """Shows the trainings of the recorder in the store while the block runs.

    If the store cannot be reached, one warning is printed and the training goes on; step track reads the journals
    later. The store is not opened, and MLflow not imported, before a training has run for some seconds.

    Args:
        recorder: writes the journals.
        track: address of the store, its experiment, and whether trainings are shown live.
    """
    if not track.live:
        yield
        return
    watcher = _Watcher(recorder, track)
    watcher.start()
    status = KILLED
    try:
        yield
        status = FINISHED
    except Exception:
        status = FAILED
        raise
    finally:
        watcher.end(status)


class _Watcher(threading.Thread):
    def __init__(self, recorder: JournalRecorder, track: Track):
        super().__init__(name="live view", daemon=True)
        self._recorder, self._track = recorder, track
        self._over = threading.Event()
        self._status = KILLED
        self._before = self._journals()

    def end(self, status: str) -> None:
        self._status = status
        self._over.set()
        self.join(SECONDS_TO_END)

    def run(self) -> None:
        while self._journals() == self._before:
            if self._over.wait(INTERVAL):
                return
        if self._over.wait(PATIENCE):
            return
        from speech_emotion.tracking.connection import open_store
        from speech_emotion.tracking.live import LiveRuns, end_dead_runs
        from speech_emotion.tracking.views import TRAINING, directions, present

        if self._over.is_set():  # importing takes seconds
            return
        runs = LiveRuns(self._recorder.folder, self._recorder.session)
        failures, answered = 0, False
        while True:
            try:
                with open_store(self._track.uri, self._track.experiment) as store:
                    if not answered:
                        end_dead_runs(store)
                        present(store)
                        self._recorder.note(f"watch the training: {directions(store, TRAINING)}")
                    answered = True
                    while not self._over.is_set():
                        runs.poll(store)
                        failures = 0
                        self._over.wait(INTERVAL)
                    runs.close(store, self._status)
                    return
            except UserError as error:
                failures += 1
                if not answered or failures >= TRIES:
                    self._recorder.note(
                        f"warning: no live view: {error} (the training goes on; step track adds it afterwards)"
                    )
                    return
                self._over.wait(INTERVAL)

    def _journals(self) -> dict[str, int]:
        with contextlib.suppress(FileNotFoundError):
            return {path.name: path.stat().st_mtime_ns for path in self._recorder.folder.glob(f"*{SUFFIX}")}
        return {}

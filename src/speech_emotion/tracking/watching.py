"""Lets a training be watched: one thread beside it carries its journals into the store, and never stands in its way."""

import contextlib
import threading
from collections.abc import Iterator

from speech_emotion.errors import UserError
from speech_emotion.params import Track
from speech_emotion.tracking.journal import FAILED, FINISHED, KILLED, SUFFIX, JournalRecorder

INTERVAL = 2.0  # seconds between two looks at the journals
PATIENCE = 3.0  # seconds of training before the store is opened: what is over sooner need not be watched
TRIES = 5  # looks in a row that a store may fail after it once answered
SECONDS_TO_END = 60.0  # for the last lines, when the training is over


@contextlib.contextmanager
def watched(recorder: JournalRecorder, track: Track) -> Iterator[None]:
    """Shows in the store what the recorder hears inside the block.

    A store that cannot be reached costs one warning; the training goes on, and step track brings it from the journals.
    Nothing is opened, nor MLflow imported, before a training has run for some seconds.
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
                        f"warning: no live view: {error} (the training goes on; step track brings it in the end)"
                    )
                    return
                self._over.wait(INTERVAL)

    def _journals(self) -> dict[str, int]:
        with contextlib.suppress(FileNotFoundError):
            return {path.name: path.stat().st_mtime_ns for path in self._recorder.folder.glob(f"*{SUFFIX}")}
        return {}

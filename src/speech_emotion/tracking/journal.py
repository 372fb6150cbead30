"""Journals: the progress of a training, one file for each unit.

Journals are not part of the results and enter no hash. The live view reads them as they grow; step track reads from
them how long a training took and the samples of the machine. Each line is a JSON object with `event` and `time`
(milliseconds since 1970). The events are `start` (the unit, the process), `epoch` (epoch, values), `system` (a sample
of the machine) and `end` (status, seconds).
"""

import contextlib
import json
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from speech_emotion.recorder import OnEpoch, Recorder, Training
from speech_emotion.store.hashing import hash_json
from speech_emotion.tracking.machine import Machine
from speech_emotion.tracking.processes import this_process

SUFFIX = ".jsonl"
FIRST_SAMPLE_SECONDS = 2.0  # so that short trainings have a sample too
SHORTEST_SAMPLE_SECONDS = 0.2  # CPU usage over a shorter time means nothing
FINISHED, FAILED, KILLED = "FINISHED", "FAILED", "KILLED"  # as MLflow names them


class JournalRecorder(Recorder):
    """Keeps a journal of every training.

    Args:
        folder: receives <unit key>.jsonl; created if it does not exist.
        sample_seconds: seconds between two samples of the machine.
        quiet: print nothing on standard error.

    Attributes:
        session: id in the journals of this recorder that distinguishes them from earlier ones.
    """

    def __init__(self, folder: Path, sample_seconds: float, quiet: bool = False):
        super().__init__(quiet)
        self.folder = folder.resolve()
        self.sample_seconds = sample_seconds
        self.session = uuid.uuid4().hex

    @contextlib.contextmanager
    def training(self, unit: Training) -> Iterator[OnEpoch]:
        started, cpu = time.perf_counter(), time.process_time()
        writer = _Writer(self.folder / f"{unit.key}{SUFFIX}", self)
        about = asdict(unit) | {"together": group_of(unit.together), "units": len(unit.together)}
        writer.write("start", session=self.session, unit=about, process=this_process())
        done = threading.Event()
        sampler = threading.Thread(target=self._sample, args=(writer, done), daemon=True)
        sampler.start()
        status, error = KILLED, ""
        try:
            yield lambda epoch, values: writer.write("epoch", epoch=epoch, values=dict(values))
            status = FINISHED
        except Exception as raised:
            status, error = FAILED, str(raised) or type(raised).__name__
            raise
        finally:
            done.set()
            sampler.join()
            took = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu}
            took = {name: round(value, 3) for name, value in took.items()}
            writer.write("end", status=status, **took, **({"error": error} if error else {}))
            writer.close()

    def _sample(self, writer: "_Writer", done: threading.Event) -> None:
        machine, last = Machine(), time.perf_counter()
        pause = min(FIRST_SAMPLE_SECONDS, self.sample_seconds)
        while not done.wait(pause):
            writer.write("system", values=machine.sample())
            pause, last = self.sample_seconds, time.perf_counter()
        if time.perf_counter() - last >= SHORTEST_SAMPLE_SECONDS:
            writer.write("system", values=machine.sample())


class _Writer:
    """Appends lines. If writing fails, the journal ends with one warning and the training goes on."""

    def __init__(self, path: Path, recorder: Recorder):
        self._path, self._recorder, self._lock = path, recorder, threading.Lock()
        self._file = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)  # a worker of a killed run may still write to the old file
            self._file = path.open("w", encoding="utf-8", buffering=1)  # readers see each line at once
        except OSError as error:
            self._warn(error)

    def write(self, event: str, **values: Any) -> None:
        with self._lock:
            if self._file is None:
                return
            try:
                self._file.write(json.dumps({"event": event, "time": now(), **values}) + "\n")
            except OSError as error:
                self._file = None
                self._warn(error)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _warn(self, error: OSError) -> None:
        self._recorder.note(f"warning: {self._path}: {error.strerror}: this training keeps no journal")


@dataclass
class Journal:
    """A training as recorded in its journal.

    Attributes:
        start: the line of the event `start`.
        epochs: the lines of the epochs, in order.
        samples: the lines of the samples, in order.
        end: the line of the event `end`; None while the training runs, or if it was killed.
    """

    start: Mapping[str, Any]
    epochs: list[Mapping[str, Any]] = field(default_factory=list)
    samples: list[Mapping[str, Any]] = field(default_factory=list)
    end: Mapping[str, Any] | None = None

    @property
    def finished(self) -> bool:
        return self.end is not None and self.end["status"] == FINISHED


def read_journal(folder: Path, key: str) -> Journal | None:
    """The journal of a unit; None if there is none (the unit was trained elsewhere) or the file is not a journal.

    Args:
        folder: of the journals.
        key: of the unit.
    """
    try:
        lines = list(parse((folder / f"{key}{SUFFIX}").read_bytes())[0])
    except FileNotFoundError:
        return None
    if not lines or lines[0]["event"] != "start":
        return None
    journal = Journal(lines[0])
    for line in lines[1:]:
        if line["event"] == "epoch":
            journal.epochs.append(line)
        elif line["event"] == "system":
            journal.samples.append(line)
        elif line["event"] == "end":
            journal.end = line
    return journal


def parse(data: bytes) -> tuple[list[dict[str, Any]], int]:
    """The complete lines in a piece of a journal, and their length in bytes; skips lines that are not a journal's."""
    whole = data.rfind(b"\n") + 1
    lines = []
    for text in data[:whole].splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and "event" in line and "time" in line:
            lines.append(line)
    return lines, whole


def group_of(keys: Iterable[str]) -> str:
    """The id of the result that consists of the units with these keys."""
    return hash_json(sorted(keys))


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 10**6

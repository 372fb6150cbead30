"""The live view: runs that are updated from the journals while their units train."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param, Run, RunStatus, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_SOURCE_NAME

from speech_emotion.tracking.connection import Store
from speech_emotion.tracking.contents import system_name, unit_name, unit_params
from speech_emotion.tracking.journal import KILLED, SUFFIX, now, parse
from speech_emotion.tracking.processes import can_be_asked, runs_here, this_process
from speech_emotion.tracking.tags import COMPLETE, GROUP, KIND, LIVE, PROCESS, PROGRESS, SEEN, SOURCE, UNIT

METRICS_A_CALL = 1000
SEEN_EVERY = 60_000  # ms
DEAD_AFTER = 3_600_000  # ms without a sign of life, for processes of other hosts, which cannot be checked directly
SYSTEM = "system/"  # MLflow's pages show these metrics on a page of their own


@dataclass
class _Reading:
    """How far a journal has been read and written. It advances only after the store has accepted the lines."""

    offset: int = 0
    run: str | None = None
    parent: str | None = None
    samples: int = 0
    epochs: int = 0
    ended: bool = False
    strange_since: int | None = None  # the file's time when it was found to be another session's


class LiveRuns:
    """Copies the journals of one session to a store: a run for each unit, below a run for each system.

    Args:
        folder: of the journals.
        session: id of the recorder that writes them.
    """

    def __init__(self, folder: Path, session: str):
        self._folder = folder
        self._session = session
        self._readings: dict[Path, _Reading] = {}
        self._parents: dict[str, str] = {}  # group -> run
        self._results: set[str] = set()  # those of them that are results already, and are trained again
        self._units: dict[str, int] = {}  # parent -> number of units of its result
        self._process = json.dumps(this_process())
        self._seen = now()

    def poll(self, store: Store) -> None:
        """Writes the new lines of the journals, one batch for each unit. After an error, the next call writes them."""
        moved = False
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            moved |= self._follow(store, path, self._readings.setdefault(path, _Reading()))
        if moved:
            self._say_progress(store)
        if now() - self._seen >= SEEN_EVERY:
            self._seen = now()
            for run in [*self._parents.values(), *(reading.run for reading in self._unfinished())]:
                store.client.set_tag(run, SEEN, str(self._seen))

    def close(self, store: Store, status: str) -> None:
        """Ends the runs.

        Args:
            store: the tracking store.
        status: of the step that trained: FINISHED, FAILED or KILLED.
        """
        self.poll(store)
        for reading in self._unfinished():
            store.client.set_terminated(reading.run, KILLED)
            reading.ended = True
        for run in set(self._parents.values()) - self._results:
            store.client.set_terminated(run, status)

    def _unfinished(self) -> list[_Reading]:
        return [reading for reading in self._readings.values() if reading.run and not reading.ended]

    def _follow(self, store: Store, path: Path, reading: _Reading) -> bool:
        modified = path.stat().st_mtime_ns
        if reading.ended or modified == reading.strange_since:
            return False
        with open(path, "rb") as file:
            file.seek(reading.offset)
            lines, used = parse(file.read())
        if lines and reading.run is None and lines[0].get("session") != self._session:
            reading.strange_since = modified
            return False
        if lines:
            self._write(store, reading, lines)
        reading.offset += used
        return bool(lines)

    def _write(self, store: Store, reading: _Reading, lines: Sequence[Mapping[str, Any]]) -> None:
        if reading.run is None:
            self._begin(store, reading, lines[0])
        points, tags, samples, end = [], [], reading.samples, None
        for line in lines:
            if line["event"] == "epoch":
                points += [Metric(name, value, line["time"], line["epoch"]) for name, value in _values(line)]
                tags = [RunTag(PROGRESS, f"epoch {line['epoch']} of at most {reading.epochs}")]
            elif line["event"] == "system":
                points += [Metric(SYSTEM + name, value, line["time"], samples) for name, value in _values(line)]
                samples += 1
            elif line["event"] == "end":
                end = line
                points += [Metric(name, line[name], line["time"], 0) for name in ("seconds", "cpu_seconds")]
        for first in range(0, len(points), METRICS_A_CALL):
            store.client.log_batch(reading.run, metrics=points[first : first + METRICS_A_CALL], tags=tags)
        if end:
            if "error" in end:
                store.client.set_tag(reading.run, "error", end["error"])
            store.client.set_terminated(reading.run, end["status"], end["time"])
        reading.samples, reading.ended = samples, end is not None

    def _begin(self, store: Store, reading: _Reading, line: Mapping[str, Any]) -> None:
        unit = line["unit"]
        reading.parent, reading.epochs = self._parent(store, unit), unit["max_epochs"]
        tags = self._tags(unit, "unit") | {
            MLFLOW_PARENT_RUN_ID: reading.parent,
            UNIT: unit["key"],
            "fold": unit["fold"],
            "seed": str(unit["seed"]),
        }
        name = unit_name(unit["system"], unit["fold"], unit["seed"])
        run = store.client.create_run(store.experiment, line["time"], tags, name)
        reading.run = run.info.run_id
        params = unit_params(unit["fold"], unit["seed"], unit["hyperparameters"])
        store.client.log_batch(reading.run, params=[Param(name, str(value)) for name, value in params.items()])

    def _parent(self, store: Store, unit: Mapping[str, Any]) -> str:
        """The run of the unit's system; the run of an earlier session of the same training is continued."""
        group = unit["together"]
        if group not in self._parents:
            wanted = f"tags.{GROUP} = '{group}' and tags.{KIND} = 'system'"
            found = store.client.search_runs([store.experiment], wanted, max_results=1)
            if found:
                run = found[0]
                if COMPLETE in run.data.tags:
                    self._results.add(run.info.run_id)
                else:
                    store.client.update_run(run.info.run_id, "RUNNING")
                    store.client.log_batch(
                        run.info.run_id, tags=[RunTag(PROCESS, self._process), RunTag(SEEN, str(now()))]
                    )
            else:
                name = system_name(unit["system"], unit["protocol"])
                tags = self._tags(unit, "system")
                run = store.client.create_run(store.experiment, tags=tags, run_name=name)
            self._parents[group] = run.info.run_id
            self._units[run.info.run_id] = unit["units"]
        return self._parents[group]

    def _tags(self, unit: Mapping[str, Any], kind: str) -> dict[str, str]:
        return {
            KIND: kind,
            LIVE: "true",
            GROUP: unit["together"],
            PROCESS: self._process,
            SEEN: str(now()),
            MLFLOW_SOURCE_NAME: SOURCE,
            **{name: unit[name] for name in ("corpus", "protocol", "system")},
        }

    def _say_progress(self, store: Store) -> None:
        for parent in self._parents.values():
            own = [reading for reading in self._readings.values() if reading.parent == parent]
            ended = sum(reading.ended for reading in own)
            text = f"{ended} trained now, {len(own) - ended} in progress, {self._units[parent]} in all"
            store.client.set_tag(parent, PROGRESS, text)


def end_dead_runs(store: Store) -> int:
    """Marks live runs whose process is gone as killed; returns how many there were."""
    wanted = f"tags.{LIVE} = 'true' and attributes.status = 'RUNNING'"
    dead = [run for run in store.client.search_runs([store.experiment], wanted, max_results=1000) if not alive(run)]
    for run in dead:
        store.client.set_terminated(run.info.run_id, KILLED)
    return len(dead)


def alive(run: Run) -> bool:
    """Whether a live run's training is still running: by its process on this host, or else by its last sign of life."""
    if run.info.status != RunStatus.to_string(RunStatus.RUNNING):
        return False
    process = json.loads(run.data.tags.get(PROCESS, "{}"))
    if can_be_asked(process):
        return runs_here(process)
    return now() - int(run.data.tags.get(SEEN, 0)) < DEAD_AFTER


def _values(line: Mapping[str, Any]) -> list[tuple[str, float]]:
    return [(name, value) for name, value in line["values"].items() if name != "epoch"]

"""Writes entries to a tracking store: each exactly once and completely, and again if the store lost it."""

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from mlflow.entities import Dataset as TrackedDataset
from mlflow.entities import DatasetInput, InputTag, Metric, Param, Run, RunStatus, RunTag
from mlflow.utils.mlflow_tags import (
    MLFLOW_DATASET_CONTEXT,
    MLFLOW_GIT_COMMIT,
    MLFLOW_LOGGED_ARTIFACTS,
    MLFLOW_PARENT_RUN_ID,
    MLFLOW_RUN_NAME,
    MLFLOW_RUN_NOTE,
    MLFLOW_SOURCE_NAME,
)
from mlflow.utils.time import get_current_time_millis
from PIL import Image

from speech_emotion.recorder import Recorder
from speech_emotion.store.locks import Turn
from speech_emotion.tracking.connection import Store
from speech_emotion.tracking.contents import TABLE
from speech_emotion.tracking.entries import Dataset, Entry
from speech_emotion.tracking.live import alive, end_dead_runs
from speech_emotion.tracking.locking import experiment_lock
from speech_emotion.tracking.models import delete_models, has_model, log_model
from speech_emotion.tracking.tags import COMPLETE, GROUP, KEY, KIND, LIVE, PROCESS, PROGRESS, SEEN, SOURCE, UNIT
from speech_emotion.tracking.views import present

DIGEST_LENGTH = 36  # characters of a dataset's digest that the store keeps
PAGE = 1000
METRICS_A_CALL, PARAMS_A_CALL = 1000, 100
PARAM_LENGTH = 500
IMAGES = "images"  # folder of the pictures that MLflow's charts show side by side
FINISHED = RunStatus.to_string(RunStatus.FINISHED)

Item = TypeVar("Item")


@dataclass
class Report:
    """Numbers of runs, including those of units and trials, that were found complete, made, taken over from a live
    view, updated or removed."""

    found: int = 0
    made: int = 0
    taken: int = 0
    updated: int = 0
    removed: int = 0


@dataclass
class _Index:
    """The store's runs of the entries' corpora and protocols, without deleted ones.

    Attributes:
        by_key: (parent, kind, key) -> results.
        by_parent: parent -> results.
        live: key of a unit, or group of a result -> runs of trainings that are not results yet.
    """

    by_key: dict[tuple[str, str, str], list[Run]] = field(default_factory=lambda: defaultdict(list))
    by_parent: dict[str, list[Run]] = field(default_factory=lambda: defaultdict(list))
    live: dict[str, list[Run]] = field(default_factory=lambda: defaultdict(list))


def mirror(store: Store, entries: Sequence[Entry], lease_seconds: float, recorder: Recorder) -> Report:
    """Writes entries to the store so that it contains each exactly once. Processes take turns at an experiment.

    A run without the tag `complete` was interrupted: it is deleted and made again. A run whose trainings are unchanged,
    but whose metrics or figures changed or whose files are gone, is updated in place. The live run of a training
    becomes the run of its unit. Live runs of killed trainings are deleted once their units are finished.

    Args:
        store: the tracking store.
        entries: of one or more corpora and protocols.
        lease_seconds: as of locking.experiment_lock().
        recorder: shows progress and prints notes.

    Returns:
        Numbers of runs by what was done with them.

    Raises:
        UserError: this process lost the lock (store.locks).
    """
    report = Report()
    with experiment_lock(store, lease_seconds).turn(recorder.note) as turn:
        end_dead_runs(store)
        present(store)
        index = _read_index(store, entries)
        for entry in recorder.progress(entries, "track", len(entries)):
            _bring(store, index, entry, None, report, turn)
        turn.confirm()
        _clear_live(store, index, entries, report)
    return report


def complete_keys(store: Store) -> set[tuple[str, str]]:
    """Kind and key of every complete run in the store's experiment."""
    found, token = set(), None
    while True:
        page = store.client.search_runs(
            [store.experiment], f"tags.{COMPLETE} != ''", max_results=PAGE, page_token=token
        )
        found |= {(run.data.tags.get(KIND, ""), run.data.tags.get(KEY, "")) for run in page}
        if not (token := page.token):
            return found


def _read_index(store: Store, entries: Sequence[Entry]) -> _Index:
    index = _Index()
    for corpus, protocol in sorted({(entry.tags["corpus"], entry.tags["protocol"]) for entry in entries}):
        wanted = f"tags.corpus = '{corpus}' and tags.protocol = '{protocol}'"
        token = None
        while True:
            page = store.client.search_runs([store.experiment], wanted, max_results=PAGE, page_token=token)
            for run in page:
                tags = run.data.tags
                parent = tags.get(MLFLOW_PARENT_RUN_ID, "")
                if KEY in tags:
                    index.by_key[(parent, tags.get(KIND, ""), tags[KEY])].append(run)
                    index.by_parent[parent].append(run)
                elif LIVE in tags:
                    index.live[tags.get(UNIT) or tags.get(GROUP, "")].append(run)
            token = page.token
            if not token:
                break
    return index


def _bring(store: Store, index: _Index, entry: Entry, parent: str | None, report: Report, turn: Turn) -> None:
    turn.confirm()
    runs = index.by_key[(parent or "", entry.kind, entry.key)]
    whole = [run for run in runs if COMPLETE in run.data.tags]
    if entry.kind == "unit" and entry.period:  # if it was trained again, that is another run
        whole = [run for run in whole if run.info.start_time == entry.period.start]
    whole = whole[:1]
    for run in runs:
        if run not in whole:
            _delete(store, index, run, report)
    if whole and whole[0].data.tags[COMPLETE] == entry.state and _has_artifacts(store, whole[0], entry):
        report.found += 1
        for child in entry.children:
            _bring(store, index, child, whole[0].info.run_id, report, turn)
        return
    if whole:
        run = whole[0]
        _update(store, entry, run)
        report.updated += 1
    elif watched := _watched(index, entry):
        run = watched
        _take_over(store, entry, run, parent)
        report.taken += 1
    else:
        run = _create(store, entry, parent)
        report.made += 1
    id = run.info.run_id
    for child in entry.children:
        _bring(store, index, child, id, report, turn)
    store.client.set_tag(id, COMPLETE, entry.state)
    # without a measured duration the run has none: the time to write it means nothing
    end = entry.period.end if entry.period else run.info.end_time or run.info.start_time
    store.client.set_terminated(id, entry.status, end)


def _watched(index: _Index, entry: Entry) -> Run | None:
    """The live run of exactly this training, if it was watched to the end; it is removed from the index."""
    if entry.kind == "unit":
        runs = index.live[entry.tags[UNIT]]
        fit = [run for run in runs if run.info.status == FINISHED and entry.period]
        fit = [run for run in fit if run.info.start_time == entry.period.start]
    elif entry.kind == "system":
        runs = index.live[entry.tags[GROUP]]
        fit = [run for run in runs if not alive(run)]
    else:
        return None
    if fit:
        runs.remove(fit[0])
    return fit[0] if fit else None


def _clear_live(store: Store, index: _Index, entries: Sequence[Entry], report: Report) -> None:
    """Deletes live runs of units that are results now, and live runs of systems without any unit left."""
    units = {child.tags[UNIT] for entry in entries for child in entry.children if child.kind == "unit"}
    systems, parents = [], set()
    for key, runs in index.live.items():
        for run in runs:
            if UNIT not in run.data.tags:
                systems.append(run)
            elif key in units and not alive(run):
                _delete(store, index, run, report)
            else:
                parents.add(run.data.tags.get(MLFLOW_PARENT_RUN_ID))
    for run in systems:
        if run.info.run_id not in parents and not alive(run):
            _delete(store, index, run, report)


def _tags(entry: Entry, parent: str | None) -> dict[str, str]:
    tags = {**entry.tags, KIND: entry.kind, KEY: entry.key, MLFLOW_SOURCE_NAME: SOURCE}
    if parent:
        tags[MLFLOW_PARENT_RUN_ID] = parent
    if entry.note:
        tags[MLFLOW_RUN_NOTE] = entry.note
    if TABLE in entry.made:
        tags[MLFLOW_LOGGED_ARTIFACTS] = json.dumps([{"path": TABLE, "type": "table"}])
    if "revision" in entry.tags:
        tags[MLFLOW_GIT_COMMIT] = entry.tags["revision"]
    return tags


def _create(store: Store, entry: Entry, parent: str | None) -> Run:
    start = entry.period.start if entry.period else None
    run = store.client.create_run(store.experiment, start, _tags(entry, parent), entry.name)
    _log(store, entry, run.info.run_id, entry.params, _points(entry))
    return run


def _take_over(store: Store, entry: Entry, run: Run, parent: str | None) -> None:
    """Makes a live run the entry's run: adds what the live view has not written, and removes the live view's tags."""
    id = run.info.run_id
    tags = {**_tags(entry, parent), MLFLOW_RUN_NAME: entry.name}
    store.client.log_batch(id, tags=[RunTag(name, value) for name, value in tags.items()])
    for name in (LIVE, PROCESS, SEEN, PROGRESS):
        if name in run.data.tags:
            store.client.delete_tag(id, name)
    there = set()
    for name in set(run.data.metrics):
        there |= {(name, point.step) for point in store.client.get_metric_history(id, name)}
    params = {name: value for name, value in entry.params.items() if name not in run.data.params}
    _log(store, entry, id, params, [point for point in _points(entry) if (point.key, point.step) not in there])


def _points(entry: Entry) -> list[Metric]:
    now = entry.period.end if entry.period else get_current_time_millis()
    points = [Metric(name, value, now, 0) for name, value in entry.metrics.items()]
    for name, curve in entry.curves.items():
        points += [Metric(name, value, now, epoch) for epoch, value in curve]
    for name, samples in entry.samples.items():
        points += [Metric(name, value, time, number) for number, (time, value) in enumerate(samples)]
    return points


def _log(store: Store, entry: Entry, id: str, params: dict[str, Any], points: list[Metric]) -> None:
    for chunk in _chunks(params.items(), PARAMS_A_CALL):
        store.client.log_batch(id, params=[Param(name, _shortened(value)) for name, value in chunk])
    if entry.dataset:
        store.client.log_inputs(id, [_dataset(entry.dataset)])
    for metrics in _chunks(points, METRICS_A_CALL):
        store.client.log_batch(id, metrics=metrics)
    _log_files(store, entry, id)


def _update(store: Store, entry: Entry, run: Run) -> None:
    """Updates changed metrics, tags and files; params and curves belong to the key, so they cannot differ."""
    id, now = run.info.run_id, get_current_time_millis()
    points = [
        Metric(name, value, now, 0) for name, value in entry.metrics.items() if run.data.metrics.get(name) != value
    ]
    for metrics in _chunks(points, METRICS_A_CALL):
        store.client.log_batch(id, metrics=metrics)
    tags = _tags(entry, run.data.tags.get(MLFLOW_PARENT_RUN_ID))
    store.client.log_batch(id, tags=[RunTag(name, value) for name, value in tags.items()])
    _log_files(store, entry, id)


def _log_files(store: Store, entry: Entry, id: str) -> None:
    for path, folder in entry.files.items():
        store.client.log_artifact(id, str(path), folder or None)
    with tempfile.TemporaryDirectory() as temporary:
        pictures = [path for path in entry.files if _is_confusion(path)]
        for place, write in entry.made.items():
            path = Path(temporary) / place
            path.parent.mkdir(exist_ok=True)
            write(path)
            store.client.log_artifact(id, str(path), place.rpartition("/")[0] or None)
            pictures += [path] if _is_confusion(path) else []
        if pictures and not store.client.list_artifacts(id, IMAGES):
            with Image.open(pictures[0]) as picture:
                store.client.log_image(id, picture.convert("RGB"), key="confusion", step=0)
    if entry.model and not has_model(store, id):
        delete_models(store, id)  # remains of a model whose files are gone
        log_model(store, id, entry.model, entry.tags)


def _is_confusion(path: Path) -> bool:
    return path.suffix == ".png" and path.name.startswith("confusion")


def _has_artifacts(store: Store, run: Run, entry: Entry) -> bool:
    """Whether the files still exist: a database may remain after its folder of artifacts was deleted."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for path, folder in entry.files.items():
        wanted[folder].add(f"{folder}/{path.name}" if folder else path.name)
    for place in entry.made:
        wanted[place.rpartition("/")[0]].add(place)
    return all(
        names <= {file.path for file in store.client.list_artifacts(run.info.run_id, folder or None)}
        for folder, names in wanted.items()
    ) and (entry.model is None or has_model(store, run.info.run_id))


def _delete(store: Store, index: _Index, run: Run, report: Report) -> None:
    for child in index.by_parent[run.info.run_id]:
        _delete(store, index, child, report)
    delete_models(store, run.info.run_id)
    store.client.delete_run(run.info.run_id)
    report.removed += 1


def _dataset(dataset: Dataset) -> DatasetInput:
    """The dataset for MLflow's pages: its source is a folder of the project, which `dvc pull` restores."""
    tracked = TrackedDataset(
        name=dataset.name,
        digest=dataset.digest[:DIGEST_LENGTH],
        source_type="local",
        source=json.dumps({"uri": dataset.source, **dataset.version}),
        profile=json.dumps({**dataset.profile, **dataset.version}),
    )
    tags = {
        MLFLOW_DATASET_CONTEXT: "training",
        "licence": ", ".join(dataset.licences),
        "sha256": dataset.digest,
        **dataset.version,
    }
    return DatasetInput(tracked, [InputTag(name, value) for name, value in tags.items()])


def _shortened(value: Any) -> str:
    text = str(value)
    return text if len(text) <= PARAM_LENGTH else text[: PARAM_LENGTH - 1] + "…"


def _chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    items = list(items)
    for first in range(0, len(items), size):
        yield items[first : first + size]

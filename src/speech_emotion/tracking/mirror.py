"""Brings entries into a tracking store: each once, whole, again where the store lost it, and nothing twice."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from mlflow.entities import Dataset as TrackedDataset
from mlflow.entities import DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT, MLFLOW_GIT_COMMIT, MLFLOW_PARENT_RUN_ID
from mlflow.utils.time import get_current_time_millis

from speech_emotion.recorder import Recorder
from speech_emotion.tracking.connection import Store
from speech_emotion.tracking.contents import Dataset, Entry
from speech_emotion.tracking.models import delete_models, has_model, log_model

KIND, KEY, COMPLETE = "kind", "key", "complete"  # tags; the last holds the entry's state, and is written last
DIGEST_LENGTH = 36  # what the store keeps of a dataset's digest
PAGE = 1000
METRICS_A_CALL, PARAMS_A_CALL = 1000, 100
PARAM_LENGTH = 500

Item = TypeVar("Item")


@dataclass
class Report:
    """How many runs, those of units included, were found whole, made, brought up to date, or removed."""

    found: int = 0
    made: int = 0
    updated: int = 0
    removed: int = 0


@dataclass
class _Index:
    """The store's runs of one corpus and protocol; deleted ones are not among them."""

    by_key: dict[tuple[str, str, str], list[Run]] = field(default_factory=lambda: defaultdict(list))
    by_parent: dict[str, list[Run]] = field(default_factory=lambda: defaultdict(list))


def mirror(store: Store, entries: Sequence[Entry], recorder: Recorder) -> Report:
    """Makes the store hold every entry exactly once.

    A run that lacks the tag `complete` was interrupted: it is deleted and made again. A run whose metrics or figures
    changed while its trainings stayed the same, or whose files are gone, is brought up to date in place.
    """
    report = Report()
    index = _read_index(store, entries)
    for entry in recorder.progress(entries, "track", len(entries)):
        _bring(store, index, entry, None, report)
    return report


def _read_index(store: Store, entries: Sequence[Entry]) -> _Index:
    index = _Index()
    for corpus, protocol in sorted({(entry.tags["corpus"], entry.tags["protocol"]) for entry in entries}):
        wanted = f"tags.corpus = '{corpus}' and tags.protocol = '{protocol}'"
        token = None
        while True:
            page = store.client.search_runs([store.experiment], wanted, max_results=PAGE, page_token=token)
            for run in page:
                tags = run.data.tags
                if KEY in tags:
                    parent = tags.get(MLFLOW_PARENT_RUN_ID, "")
                    index.by_key[(parent, tags.get(KIND, ""), tags[KEY])].append(run)
                    index.by_parent[parent].append(run)
            token = page.token
            if not token:
                break
    return index


def _bring(store: Store, index: _Index, entry: Entry, parent: str | None, report: Report) -> None:
    runs = index.by_key[(parent or "", entry.kind, entry.key)]
    whole = [run for run in runs if COMPLETE in run.data.tags][:1]
    for run in runs:
        if run not in whole:
            _delete(store, index, run, report)
    if whole and whole[0].data.tags[COMPLETE] == entry.state and _has_artifacts(store, whole[0], entry):
        report.found += 1
        for child in entry.children:
            _bring(store, index, child, whole[0].info.run_id, report)
        return
    if whole:
        id = whole[0].info.run_id
        _update(store, entry, whole[0])
        report.updated += 1
    else:
        id = _create(store, entry, parent)
        report.made += 1
    for child in entry.children:
        _bring(store, index, child, id, report)
    store.client.set_tag(id, COMPLETE, entry.state)
    store.client.set_terminated(id)


def _create(store: Store, entry: Entry, parent: str | None) -> str:
    client, now = store.client, get_current_time_millis()
    tags = {**entry.tags, KIND: entry.kind, KEY: entry.key}
    if parent:
        tags[MLFLOW_PARENT_RUN_ID] = parent
    if "revision" in entry.tags:
        tags[MLFLOW_GIT_COMMIT] = entry.tags["revision"]
    id = client.create_run(store.experiment, tags=tags, run_name=entry.name).info.run_id
    for params in _chunks(entry.params.items(), PARAMS_A_CALL):
        client.log_batch(id, params=[Param(name, _shortened(value)) for name, value in params])
    if entry.dataset:
        client.log_inputs(id, [_dataset(entry.dataset)])
    points = [Metric(name, value, now, 0) for name, value in entry.metrics.items()]
    for name, curve in entry.curves.items():
        points += [Metric(name, value, now, epoch) for epoch, value in curve]
    for metrics in _chunks(points, METRICS_A_CALL):
        client.log_batch(id, metrics=metrics)
    _log_files(store, entry, id)
    return id


def _update(store: Store, entry: Entry, run: Run) -> None:
    """Metrics that have another value now, tags and files; params and curves are the key's and cannot differ."""
    id, now = run.info.run_id, get_current_time_millis()
    points = [
        Metric(name, value, now, 0) for name, value in entry.metrics.items() if run.data.metrics.get(name) != value
    ]
    for metrics in _chunks(points, METRICS_A_CALL):
        store.client.log_batch(id, metrics=metrics)
    store.client.log_batch(id, tags=[RunTag(name, value) for name, value in entry.tags.items()])
    _log_files(store, entry, id)


def _log_files(store: Store, entry: Entry, id: str) -> None:
    for path, folder in entry.files.items():
        store.client.log_artifact(id, str(path), folder or None)
    if entry.model and not has_model(store, id):
        delete_models(store, id)  # what is left of one whose files are gone
        log_model(store, id, entry.model, entry.tags)


def _has_artifacts(store: Store, run: Run, entry: Entry) -> bool:
    """Whether the files are still there: a database can outlive its folder of artifacts."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for path, folder in entry.files.items():
        wanted[folder].add(f"{folder}/{path.name}" if folder else path.name)
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
    tracked = TrackedDataset(
        name=dataset.name,
        digest=dataset.digest[:DIGEST_LENGTH],
        source_type="local",
        source=json.dumps({"uri": dataset.source}),
        profile=json.dumps(dict(dataset.profile)),
    )
    tags = {MLFLOW_DATASET_CONTEXT: "training", "licence": ", ".join(dataset.licences), "sha256": dataset.digest}
    return DatasetInput(tracked, [InputTag(name, value) for name, value in tags.items()])


def _shortened(value: Any) -> str:
    text = str(value)
    return text if len(text) <= PARAM_LENGTH else text[: PARAM_LENGTH - 1] + "…"


def _chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    items = list(items)
    for first in range(0, len(items), size):
        yield items[first : first + size]

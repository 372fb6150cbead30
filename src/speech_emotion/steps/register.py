"""Step register: registers the model that track logged to MLflow as a version of the registered model, once."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

from speech_emotion.errors import UserError
from speech_emotion.evaluation.comparison import Pair
from speech_emotion.evaluation.metrics import headline_figures
from speech_emotion.evaluation.results import SystemResult, read_result
from speech_emotion.export.files import CARD, CHECK
from speech_emotion.recorder import Recorder
from speech_emotion.reporting.rendering import render
from speech_emotion.steps.step import Folders, Step, StepParams
from speech_emotion.steps.track import TRACKED
from speech_emotion.store.atomic import write_text
from speech_emotion.store.hashing import hash_json, sha256_file
from speech_emotion.tracking.connection import Store, open_store
from speech_emotion.tracking.gate import Standing, paired
from speech_emotion.tracking.mirror import COMPLETE, KEY, KIND
from speech_emotion.tracking.models import models_of
from speech_emotion.tracking.registry import Newcomer, register
from speech_emotion.tracking.versions import Version

KEPT = ("corpus", "protocol", "speaker_independent", "synthetic", "data", "system", "title", "licences")
SYSTEM_RUN, REVISION, TESTED = "system_run", "revision", "tested"  # tags of a version
RESULTS = ("predictions.parquet", "curves.csv", "units.json")  # of the run of a system
REGISTERED = "registered.json"


def run(inputs: Folders, params: StepParams, outputs: Folders, recorder: Recorder) -> None:
    """Registers the exported system as champion or challenger, with the reason.

    `registered.json` has the model and version (null if there was nothing to register), its alias, the reason, and the
    facts that are the version's tags; it is the same whenever this model is already registered.

    Raises:
        UserError: the store cannot be reached, or lacks the run that track logged.
    """
    tracked = json.loads((inputs["tracked"] / TRACKED).read_text(encoding="utf-8"))
    model = next((entry for entry in tracked if entry["kind"] == "model"), None)
    if model is None:
        reason = "no candidate can run on the device"
        recorder.note(f"register: {reason}: nothing to register")
        _write(outputs["registered"], {"model": params.registry.name, "version": None, "reason": reason})
        return
    system = next(entry for entry in tracked if entry["kind"] == "system" and entry["system"] == model["system"])
    ours = read_result(inputs["trained"] / model["system"], model["system"])
    with open_store(params.track.uri, params.track.experiment) as store:

        def test(version: Version) -> Pair:
            return paired(ours, _results(store, version), params.evaluate)

        newcomer = _newcomer(store, _run(store, model), _run(store, system), inputs["exported"], _tested(ours))
        registered = register(store, params.registry, newcomer, test, recorder)
    version = f"{params.registry.name} version {registered.version}"
    if registered.found:
        recorder.note(f"register: this model of this data already is {version}")
    else:
        recorder.note(f"register: {version} is {registered.alias}: {registered.reason}")
    record = {"version": registered.version, "alias": registered.alias, "reason": registered.reason}
    facts = {name: newcomer.tags[name] for name in (*KEPT, *headline_figures()) if name in newcomer.tags}
    _write(outputs["registered"], {"model": params.registry.name, **record, "facts": facts})


def _write(folder: Path, record: Mapping[str, Any]) -> None:
    write_text(folder / REGISTERED, json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def _run(store: Store, entry: Mapping[str, str]) -> Run:
    """The complete run of an entry, the newest if there are several."""
    wanted = f"tags.`{KIND}` = '{entry['kind']}' and tags.`{KEY}` = '{entry['key']}'"
    found = [run for run in store.client.search_runs([store.experiment], wanted) if COMPLETE in run.data.tags]
    if not found:
        raise UserError(
            f"track.uri: has no run of the {entry['kind']} {entry['system']}: run the track step (dvc repro)"
        )
    return found[0]


def _tested(result: SystemResult) -> str:
    """Hash of the assignment of test utterances to folds; independent of seeds."""
    folds = result.predictions[["fold", "id"]].drop_duplicates()
    return hash_json(sorted(map(list, folds.astype(str).itertuples(index=False))))


def _newcomer(store: Store, model: Run, system: Run, exported: Path, tested: str) -> Newcomer:
    tags = {name: model.data.tags[name] for name in KEPT if name in model.data.tags} | {TESTED: tested}
    figures = {name: f"{model.data.metrics[name]:.4g}" for name in headline_figures() if name in model.data.metrics}
    tags |= figures | {SYSTEM_RUN: system.info.run_id, "model_run": model.info.run_id}
    tags |= {"experiment": model.info.experiment_id}
    if REVISION in system.data.tags:
        tags[REVISION] = system.data.tags[REVISION]
    files = {path.name: sha256_file(path) for path in exported.iterdir() if path.name not in (CARD, CHECK)}
    logged = models_of(store, model.info.run_id)
    if not logged:
        raise UserError(f"track.uri: run {model.info.run_id} has no model: run the track step (dvc repro)")
    return Newcomer(
        key=hash_json([tags["corpus"], tags["protocol"], tags["data"], files]),
        model=logged[0].model_id,
        run=model.info.run_id,
        standing=Standing(
            corpus=tags["corpus"],
            protocol=tags["protocol"],
            data=tags["data"],
            tested=tested,
            synthetic=tags["synthetic"] == "true",
            ua=round(model.data.metrics["ua"], 2),
        ),
        tags=tags,
        description=_description(exported, model, system, tags),
    )


def _description(exported: Path, model: Run, system: Run, tags: Mapping[str, str]) -> str:
    """The card up to its first section, and the version's origin; links work in MLflow's pages."""
    summary = (exported / CARD).read_text(encoding="utf-8").partition("\n## ")[0].strip()
    values = {"summary": summary, "data": tags["data"], "revision": tags.get(REVISION), "card": CARD}
    return render("version.md.j2", model=model, system=system, **values)


def _results(store: Store, version: Version) -> SystemResult:
    """The results of a version's system, from the run of its folds.

    Raises:
        UserError: the store does not have them. Temporary failures of the store are left to `open_store`, because the
            decision made here is final.
    """
    gone = UserError(f"the predictions of version {version.number} are gone from the store")
    run = version.tags.get(SYSTEM_RUN)
    try:
        if run is None or not set(RESULTS) <= {file.path for file in store.client.list_artifacts(run)}:
            raise gone
    except MlflowException as error:
        if error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            raise gone from None
        raise
    with tempfile.TemporaryDirectory() as folder:
        for name in RESULTS:
            store.client.download_artifacts(run, name, folder)
        return read_result(Path(folder), version.tags["system"])


STEP = Step(
    name="register",
    run=run,
    inputs={
        "tracked": "artifacts/track",
        "trained": "artifacts/train",
        "exported": "artifacts/export",
    },
    outputs={"registered": "artifacts/register"},
    sections=("track", "registry", "evaluate"),
)

"""Step track: logs every run, curve, figure, prediction file and the selected model to MLflow, each once."""

import json

from speech_emotion.recorder import Recorder
from speech_emotion.steps.step import Folders, Step, StepParams
from speech_emotion.store.atomic import write_text
from speech_emotion.tracking.connection import open_store
from speech_emotion.tracking.contents import Folders as Results
from speech_emotion.tracking.contents import read_entries
from speech_emotion.tracking.mirror import mirror
from speech_emotion.tracking.views import SYSTEMS, directions

TRACKED = "tracked.json"


def run(inputs: Folders, params: StepParams, outputs: Folders, recorder: Recorder) -> None:
    """Brings the MLflow store at `track.uri` up to date.

    tracked.json lists its runs by kind, key and system, but not by run id, since ids differ between stores.

    Raises:
        UserError: a result is missing, or the store cannot be reached or written.
    """
    entries = read_entries(Results(**inputs), params.candidates)
    with open_store(params.track.uri, params.track.experiment) as store:
        report = mirror(store, entries, params.registry.lease_seconds, recorder)
        table = directions(store, SYSTEMS)
    held = [{"kind": entry.kind, "key": entry.key, "system": entry.tags.get("system")} for entry in entries]
    write_text(outputs["tracked"] / TRACKED, json.dumps(held, indent=1) + "\n")
    recorder.note(
        f"track: {report.made} runs created, {report.taken} taken over from the live view, {report.updated} updated, "
        f"{report.found} unchanged, {report.removed} interrupted or duplicate ones removed (experiment "
        f"{params.track.experiment}); comparison of systems: {table}"
    )


STEP = Step(
    name="track",
    run=run,
    inputs={
        "utterances": "artifacts/ingest",
        "tuned": "artifacts/tune",
        "trained": "artifacts/train",
        "evaluation": "artifacts/evaluate",
        "selected": "artifacts/select",
        "exported": "artifacts/export",
    },
    outputs={"tracked": "artifacts/track"},
    sections=("corpus", "track", "registry.lease_seconds", "budgets.{corpus}", "candidates"),
    caches={"provenance": "artifacts/provenance", "journals": "artifacts/journals"},
)

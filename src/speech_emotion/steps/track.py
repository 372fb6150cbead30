"""track: every run, curve, figure, prediction file and the selected model into MLflow, each once."""

from speech_emotion.recorder import Recorder
from speech_emotion.steps.step import Folders, Step, StepParams
from speech_emotion.tracking.connection import open_store
from speech_emotion.tracking.contents import Folders as Results
from speech_emotion.tracking.contents import read_entries
from speech_emotion.tracking.mirror import mirror
from speech_emotion.tracking.views import SYSTEMS, directions


def run(inputs: Folders, params: StepParams, outputs: Folders, recorder: Recorder) -> None:
    """Brings the store that `track.uri` names up to date; it has no outputs.

    Raises:
        UserError: a result is missing, or the store cannot be reached or written.
    """
    entries = read_entries(Results(**inputs), params.candidates)
    with open_store(params.track.uri, params.track.experiment) as store:
        report = mirror(store, entries, recorder)
        table = directions(store, SYSTEMS)
    recorder.note(
        f"track: {report.made} runs made, {report.taken} taken over from the live view, {report.updated} brought up to "
        f"date, {report.found} were there, {report.removed} interrupted or doubled ones removed (experiment "
        f"{params.track.experiment}); which system is better: {table}"
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
    outputs={},
    sections=("corpus", "track", "budgets.{corpus}", "candidates"),
    caches={"provenance": "artifacts/provenance", "journals": "artifacts/journals"},
    always=True,
)

"""The body of a Kubeflow component: runs one step with the same driver as DVC, with folders as ports.

Settings on which no result depends come from environment variables, which Kubeflow's cache ignores:
    SPEECH_EMOTION_CACHE: a folder kept between runs (a volume of the cluster) for finished units, studies, journals and
        provenance; without it each component uses a temporary folder.
    SPEECH_EMOTION_TRACK: section `track` as JSON; with it a training is shown in MLflow while it runs.
    MLFLOW_TRACKING_URI: the store, in place of track.uri.
    SPEECH_EMOTION_DEVICE: where networks are trained, in place of train.device, since only a cluster knows which pods
        have a GPU. Systems other than networks always use the CPU.
"""

import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import joblib

from speech_emotion.errors import UserError, tell
from speech_emotion.params import CPU, Params, Track
from speech_emotion.recorder import Recorder
from speech_emotion.sections import check
from speech_emotion.steps.driver import execute, load_step, parse_sections, prepared
from speech_emotion.steps.reports import write_reports
from speech_emotion.steps.step import Step
from speech_emotion.tracking.journal import JournalRecorder
from speech_emotion.tracking.watching import watched

CACHE_VARIABLE = "SPEECH_EMOTION_CACHE"
TRACK_VARIABLE = "SPEECH_EMOTION_TRACK"
URI_VARIABLE = "MLFLOW_TRACKING_URI"
DEVICE_VARIABLE = "SPEECH_EMOTION_DEVICE"
IN_THE_IMAGE = ("papers",)  # caches that come with the code, in the working folder
INPUTS_KEY = "inputs"  # in params: hash of everything the inputs depend on; only for Kubeflow's cache


def run_component(
    step: str,
    params: str,
    inputs: Mapping[str, str],
    outputs: Mapping[str, str],
    system: str | None = None,
    reports: Mapping[str, Any] | None = None,
    part: tuple[int, int] = (1, 1),
) -> None:
    """Runs a step as the body of a component; a UserError ends the process with only its message.

    Args:
        step: name of the step.
        params: the sections that the step declares, as JSON text from steps.plan.
        inputs: port -> folder.
        outputs: port -> folder to create.
        system: which system, for steps with one instance per system.
        reports: name -> output artifact of Kubeflow that shows results; steps.reports lists those of each step.
        part: (k, n): the k-th of n ranges of the utterances, counted from 1, for sharded steps.
    """
    with user_errors():
        chosen = load_step(step)
        folders = {port: Path(folder) for port, folder in outputs.items()}
        with _cache_folder() as cache, _recorder(cache) as recorder:
            sources = {port: Path(folder) for port, folder in inputs.items()} | _caches(chosen, cache)
            sections = sections_at_home(params, system)
            execute(chosen, sections, system, sources, folders, recorder, cache / "provenance", part)
        write_reports(step, folders, reports or {})


def run_search_worker(params: str, inputs: Mapping[str, str], system: str) -> None:
    """Works on a system's search, as one of several workers on a shared storage, until all its trials have finished.

    Args:
        params: the sections that step tune declares, as JSON text.
        inputs: port -> folder, as for step tune.
        system: which system.
    """
    from speech_emotion.steps.tune import join_search

    with user_errors(), _cache_folder() as cache:
        tune = load_step("tune")
        folders = {port: Path(folder) for port, folder in inputs.items()}
        folders |= _caches(tune, cache)
        sources, _, of_step = prepared(tune, sections_at_home(params, system), system, folders)
        join_search(sources, of_step, Recorder())


def _caches(step: Step, cache: Path) -> dict[str, Path]:
    return {port: Path(port) if port in IN_THE_IMAGE else cache / port for port in step.caches}


@contextlib.contextmanager
def user_errors() -> Iterator[None]:
    """On a UserError inside, ends the process with status 1 and only the message; exits cleanly on SIGTERM."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    except UserError as error:
        tell(error)
        sys.exit(1)


def uses_gpu(systems: Mapping[str, Mapping[str, Any]], system: str) -> bool:
    """Whether a system can be trained on a GPU: networks can, estimators cannot.

    Args:
        systems: section `systems` of params.
        system: a key of it.

    Raises:
        UserError: there is no such system.
    """
    from speech_emotion.systems.catalogue import system_class, system_config

    return system_class(system_config(systems, system)).USES_GPU


def sections_at_home(params: str, system: str | None = None) -> Params:
    """Reads sections of params from JSON text, and adds the settings of the environment.

    Args:
        params: the sections as JSON text.
        system: the system that the step works on, if it has one.

    Raises:
        UserError: it is not a JSON object, or a value is out of range.
    """
    return parse_sections(_at_home(params, system))


def _at_home(params: str, system: str | None) -> str:
    """Adds the settings of the environment to the sections: number of processes, device, store."""
    try:
        sections = json.loads(params)
        sections.pop(INPUTS_KEY, None)
    except (json.JSONDecodeError, AttributeError):
        return params  # parse_sections reports the error
    sections["workers"] = joblib.cpu_count()  # the container's limit, not the machine's number of cores
    if "track" in sections:
        sections["track"] = _with_store(sections["track"])
    if "train" in sections and (device := os.environ.get(DEVICE_VARIABLE)):
        systems = sections.get("systems", {})
        given = device if system is None or uses_gpu(systems, system) else CPU
        sections["train"] = {**sections["train"], "device": given}
    return json.dumps(sections)


def _with_store(track: dict[str, Any]) -> dict[str, Any]:
    uri = os.environ.get(URI_VARIABLE)
    return {**track, "uri": uri} if uri else track


@contextlib.contextmanager
def _cache_folder() -> Iterator[Path]:
    if named := os.environ.get(CACHE_VARIABLE):
        folder = Path(named)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"{CACHE_VARIABLE} = {named}: cannot be created ({error.strerror}): choose another folder"
            ) from None
        if not os.access(folder, os.W_OK | os.X_OK):
            raise UserError(
                f"{CACHE_VARIABLE} = {named}: user {os.geteuid()} cannot write there: chown it to that user "
                "(docs/cluster.md), or choose another folder"
            )
        yield folder
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)


@contextlib.contextmanager
def _recorder(cache: Path) -> Iterator[Recorder]:
    text = os.environ.get(TRACK_VARIABLE)
    if not text:
        yield Recorder()
        return
    try:
        track: Track = check(Track, _with_store(json.loads(text)), TRACK_VARIABLE)
    except (json.JSONDecodeError, TypeError) as error:
        raise UserError(
            f"{TRACK_VARIABLE}: not JSON ({error}): set it to section track of params.yaml as JSON"
        ) from None
    recorder = JournalRecorder(cache / "journals", track.sample_seconds)
    with watched(recorder, track):
        yield recorder

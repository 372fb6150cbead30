"""The runners on this machine: one subprocess for each task, or one container for each task."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kfp import local

from speech_emotion.corpora.remote import FOLDER
from speech_emotion.errors import UserError
from speech_emotion.steps.component import CACHE_VARIABLE, TRACK_VARIABLE, URI_VARIABLE
from speech_emotion.tracking.connection import SQLITE

WORKERS_VARIABLE = "LOKY_MAX_CPU_COUNT"  # the most cores that joblib counts


Runner = local.SubprocessRunner | local.DockerRunner


@dataclass(frozen=True)
class Place:
    """Where a run on this machine reads and writes.

    Attributes:
        root: folder of the runs, their outputs and kfp's cache.
        data: folder of the corpora; None to fetch them from the repository that the environment names.
        cache: folder kept between runs: finished units, studies, journals, provenance.
        track: section `track` of params.yaml as JSON, for the live view; "" for none.
        workers: processes that a task may use.
        variables: names of variables of this process to pass to containers besides those that steps are known to need.
        gpu: whether containers get the GPUs of this machine; subprocesses see them anyway.
    """

    root: Path
    data: Path | None
    cache: Path
    track: str
    workers: int
    variables: frozenset[str] = frozenset()
    gpu: bool = False

    def environment(self) -> dict[str, str]:
        """The variables by which the components find these folders."""
        return {
            **({FOLDER: str(self.data.resolve())} if self.data else {}),
            CACHE_VARIABLE: str(self.cache.resolve()),
            TRACK_VARIABLE: self.track,
            WORKERS_VARIABLE: str(self.workers),
        }


def runner(kind: str, place: Place) -> Runner:
    """The runner of that kind, set up for the place.

    Raises:
        UserError: there is no such runner, or it cannot be used here.
    """
    if kind not in KINDS:
        raise UserError(f"RUNNER = {kind}: must be one of {', '.join(KINDS)}")
    return KINDS[kind](place)


def _subprocess(place: Place) -> local.SubprocessRunner:
    os.environ.update(place.environment())  # a subprocess inherits it
    return local.SubprocessRunner(use_venv=False)


def _docker(place: Place) -> local.DockerRunner:
    from pipelines.containers import container_runner  # needs Docker

    folders = {place.cache: True} | ({place.data: False} if place.data else {})
    environment = place.environment()
    if database := _database(place):
        folders[database.parent] = True
        environment[URI_VARIABLE] = f"{SQLITE}{database}"
    return container_runner(place.root, folders, environment, place.variables, place.gpu)


def _database(place: Place) -> Path | None:
    """The file of the tracking store; None if the store is a server."""
    uri = os.environ.get(URI_VARIABLE) or json.loads(place.track or "{}").get("uri", "")
    return Path(uri.removeprefix(SQLITE)).resolve() if uri.startswith(SQLITE) else None


KINDS: Mapping[str, Callable[[Place], Runner]] = {"subprocess": _subprocess, "docker": _docker}

"""MLflow's store: its pages, and the registered model."""

import json
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from speech_emotion.errors import UserError
from speech_emotion.params import Params, load_params
from speech_emotion.recorder import Recorder

TRACKED = Path("artifacts/track/tracked.json")


def ui(port: int) -> str | None:
    """Serves MLflow's pages on 127.0.0.1 until interrupted; where params name a server, says its address instead.

    Raises:
        UserError: nothing is tracked yet, or MLflow's server fails.
    """
    uri = load_params().track.uri
    if uri.startswith("http"):
        return f"MLflow runs at {uri}"
    is_there(uri)
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, "--host", "127.0.0.1"]
    status = subprocess.run([*command, "--port", str(port)], check=False).returncode
    if status:
        raise UserError(f"mlflow server: ended with {status}: is port {port} taken? make ui PORT={port + 1}")
    return None


def track(if_missing: bool = False) -> None:
    """Brings the last run's results into MLflow's store, and its exported model into the registry.

    Args:
        if_missing: does nothing where the store holds every run that step track brought there.

    Raises:
        UserError: there are no results, or the store cannot be reached.
    """
    from speech_emotion.steps.driver import execute, load_step

    params = load_params()
    if not TRACKED.is_file():
        raise UserError(f"{TRACKED}: is not there: run make run first")
    if if_missing and _holds_all(params):
        return
    for step in ("track", "register"):
        execute(load_step(step), params)


def _holds_all(params: Params) -> bool:
    """Whether the store holds a complete run for each entry of tracked.json."""
    path = Path(params.track.uri.removeprefix("sqlite:///"))
    if params.track.uri.startswith("sqlite:") and not path.is_file():
        return False
    from speech_emotion.tracking.connection import open_store
    from speech_emotion.tracking.mirror import complete_keys

    wanted = {(entry["kind"], entry["key"]) for entry in json.loads(TRACKED.read_text(encoding="utf-8"))}
    with open_store(params.track.uri, params.track.experiment) as store:
        return wanted <= complete_keys(store)


def registry() -> str:
    """The versions of the registered model, who is champion, and how it came to be.

    Raises:
        UserError: the store cannot be reached.
    """
    from speech_emotion.tracking.listing import describe
    from speech_emotion.tracking.versions import read_state

    params = load_params()
    with _store(params) as store:
        return describe(params.registry.name, read_state(store, params.registry.name))


def promote(version: int, reason: str) -> str:
    """Makes a version of the registered model the champion.

    Raises:
        UserError: there is no such version, or the store cannot be reached.
    """
    from speech_emotion.tracking import registry as models

    params = load_params()
    with _store(params) as store:
        return models.promote(store, params.registry, version, reason, Recorder())


def rollback(reason: str) -> str:
    """Makes the champion before this one champion again.

    Raises:
        UserError: there was none, or the store cannot be reached.
    """
    from speech_emotion.tracking import registry as models

    params = load_params()
    with _store(params) as store:
        return models.rollback(store, params.registry, reason, Recorder())


def _store(params: Params) -> AbstractContextManager[Any]:
    is_there(params.track.uri)
    from speech_emotion.tracking.connection import open_store

    return open_store(params.track.uri, params.track.experiment)


def is_there(uri: str) -> None:
    """Of a database file: that it exists, so that a command that looks makes none.

    Raises:
        UserError: it does not.
    """
    path = Path(uri.removeprefix("sqlite:///"))
    if uri.startswith("sqlite:") and not path.is_file():
        raise UserError(f"{path}: is not there: run make run first")

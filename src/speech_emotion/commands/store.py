"""MLflow: its pages, tracking, and the registered model."""

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
    """Serves MLflow's pages on 127.0.0.1 until interrupted; if track.uri is a server, returns its address instead.

    Raises:
        UserError: nothing is tracked yet, or MLflow's server fails.
    """
    uri = load_params().track.uri
    if uri.startswith("http"):
        return f"MLflow runs at {uri}"
    check_database(uri)
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, "--host", "127.0.0.1"]
    status = subprocess.run([*command, "--port", str(port)], check=False).returncode
    if status:
        raise UserError(f"mlflow server: ended with {status}: is port {port} taken? make ui PORT={port + 1}")
    return None


def track(if_missing: bool = False) -> None:
    """Logs the last run's results to MLflow, and registers its exported model.

    Args:
        if_missing: do nothing if the store already has every run that step track logged.

    Raises:
        UserError: there are no results, or the store cannot be reached.
    """
    from speech_emotion.steps.driver import execute, load_step

    params = load_params()
    if not TRACKED.is_file():
        raise UserError(f"{TRACKED}: does not exist: run make run first")
    if if_missing and _holds_all(params):
        return
    for step in ("track", "register"):
        execute(load_step(step), params)


def _holds_all(params: Params) -> bool:
    """Whether the store has a complete run for each entry of tracked.json."""
    path = Path(params.track.uri.removeprefix("sqlite:///"))
    if params.track.uri.startswith("sqlite:") and not path.is_file():
        return False
    from speech_emotion.tracking.connection import open_store
    from speech_emotion.tracking.mirror import complete_keys

    wanted = {(entry["kind"], entry["key"]) for entry in json.loads(TRACKED.read_text(encoding="utf-8"))}
    with open_store(params.track.uri, params.track.experiment) as store:
        return wanted <= complete_keys(store)


def registry() -> str:
    """Lists the versions of the registered model, and the champion with its history.

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

    Args:
        version: its number.
        reason: recorded with the version and in the history.

    Raises:
        UserError: there is no such version, or the store cannot be reached.
    """
    from speech_emotion.tracking import registry as models

    params = load_params()
    with _store(params) as store:
        return models.promote(store, params.registry, version, reason, Recorder())


def rollback(reason: str) -> str:
    """Makes the previous champion the champion again.

    Args:
        reason: recorded with the version and in the history.

    Raises:
        UserError: there was none, or the store cannot be reached.
    """
    from speech_emotion.tracking import registry as models

    params = load_params()
    with _store(params) as store:
        return models.rollback(store, params.registry, reason, Recorder())


def _store(params: Params) -> AbstractContextManager[Any]:
    check_database(params.track.uri)
    from speech_emotion.tracking.connection import open_store

    return open_store(params.track.uri, params.track.experiment)


def check_database(uri: str) -> None:
    """Checks that a database file exists, so that commands that only read do not create it.

    Raises:
        UserError: it does not exist.
    """
    path = Path(uri.removeprefix("sqlite:///"))
    if uri.startswith("sqlite:") and not path.is_file():
        raise UserError(f"{path}: does not exist: run make run first")

"""Opening a tracking store: a database file, a database server or an MLflow server."""

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

# Before the library is imported: it must not call home nor print, and must give up on a dead server in seconds.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_DISABLE_AGENT_HINT", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

import mlflow
import requests
import sqlalchemy
from mlflow.exceptions import MlflowException

from speech_emotion.errors import UserError

ARTIFACTS = "mlartifacts"  # beside the database
SECONDS_TO_ANSWER = 5
SQLITE = "sqlite:///"
SQLITE_MAGIC = b"SQLite format 3\x00"


@dataclass(frozen=True)
class Store:
    """An open store and the experiment in it that receives the runs."""

    client: mlflow.MlflowClient
    uri: str
    experiment: str


@contextlib.contextmanager
def open_store(uri: str, experiment: str) -> Iterator[Store]:
    """Opens the store and makes the experiment where it is absent; one that was deleted there is brought back.

    Artifacts of a database lie in mlartifacts/ beside it (a database server: in the working folder); a tracking
    server has its own place.

    Args:
        uri: sqlite:///file, postgresql://..., mysql://... or http(s)://...
        experiment: its name.

    Raises:
        UserError: nobody answers, access is refused, or the store fails while it is used.
    """
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    shown = _without_password(uri)
    _probe(uri, shown)
    before = mlflow.get_tracking_uri()
    try:
        mlflow.set_tracking_uri(uri)  # logging a model takes the library's own setting
        client = mlflow.MlflowClient(uri)
        yield Store(client, uri, _experiment(client, uri, experiment))
    except (MlflowException, sqlalchemy.exc.SQLAlchemyError, requests.RequestException, OSError) as error:
        raise UserError(
            f"track.uri = {shown}: {_first_line(error)}: mend the store, or set track.uri to another"
        ) from None
    finally:
        mlflow.set_tracking_uri(before)


def _experiment(client: mlflow.MlflowClient, uri: str, name: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        return client.create_experiment(name, artifact_location=_artifacts(uri))
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return found.experiment_id


def _artifacts(uri: str) -> str | None:
    if uri.startswith("http"):
        return None
    folder = Path(uri.removeprefix(SQLITE)).parent if uri.startswith(SQLITE) else Path()
    return (folder / ARTIFACTS).resolve().as_uri()


def _probe(uri: str, shown: str) -> None:
    """Fails at once where the library would try again for minutes."""
    if uri.startswith("http"):
        try:
            requests.get(f"{uri.rstrip('/')}/health", timeout=SECONDS_TO_ANSWER)
        except requests.RequestException as error:
            raise UserError(
                f"track.uri = {shown}: no answer ({type(error).__name__}): start the server (mlflow/README.md), "
                "or set track.uri to sqlite:///mlflow.db"
            ) from None
    elif uri.startswith(SQLITE):
        path = Path(uri.removeprefix(SQLITE))
        if not path.parent.is_dir():
            raise UserError(f"track.uri = {shown}: there is no folder {path.parent}: make it, or name another file")
        if path.is_dir() or (path.is_file() and not _is_database(path)):
            raise UserError(f"track.uri = {shown}: {path} is no SQLite database: name another file")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise UserError(f"track.uri = {shown}: {path} cannot be written: mend its permissions, or name another")
    else:
        try:
            sqlalchemy.create_engine(uri).connect().close()
        except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
            raise UserError(
                f"track.uri = {shown}: no connection ({_first_line(error)}): start the database, install its "
                "driver, or set track.uri to sqlite:///mlflow.db"
            ) from None


def _is_database(path: Path) -> bool:
    with open(path, "rb") as file:
        head = file.read(len(SQLITE_MAGIC))
    return head in (b"", SQLITE_MAGIC)


def _without_password(uri: str) -> str:
    password = urlsplit(uri).password
    return uri.replace(f":{password}@", ":***@") if password else uri


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

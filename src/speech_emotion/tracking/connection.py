"""Opening a tracking store: a database file, a database server or an MLflow server."""

import contextlib
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

# Set before the import of mlflow: no telemetry, no printing, and only seconds until it gives up on a dead server.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_DISABLE_AGENT_HINT", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

import mlflow
import requests
import sqlalchemy
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request

from speech_emotion.errors import UserError
from speech_emotion.store.locks import SQLITE, database_locks

ARTIFACTS = "mlartifacts"  # beside the database
SECONDS_TO_ANSWER = 5
USER, PASSWORD, TOKEN = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"
UNKNOWN_HOST = "Invalid Host header"  # MLflow's answer to a host name that is not allowed
OF_ARTIFACTS = "mlflow-artifacts"  # in addresses of artifacts that the server proxies
SQLITE_MAGIC = b"SQLite format 3\x00"


@dataclass(frozen=True)
class Store:
    """An open store and the experiment in it that receives the runs."""

    client: mlflow.MlflowClient
    uri: str
    experiment: str


@contextlib.contextmanager
def open_store(uri: str, experiment: str) -> Iterator[Store]:
    """Opens the store and creates the experiment if it does not exist; a deleted one is restored.

    A database file has its artifacts in mlartifacts/ beside it, a database server in mlartifacts/ of the working
    folder, and a tracking server in a place of its own. User and password come from the environment: for a tracking
    server MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN; for PostgreSQL PGUSER and
    PGPASSWORD.

    Args:
        uri: sqlite:///file, postgresql://..., mysql://... or http(s)://...
        experiment: name of the experiment.

    Raises:
        UserError: the store does not answer, refuses access, or fails while it is used.
    """
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    shown = _without_password(uri)
    _probe(uri, shown)
    before = mlflow.get_tracking_uri()
    try:
        mlflow.set_tracking_uri(uri)  # logging a model uses the library's global setting
        with _tables_turn(uri):
            client = mlflow.MlflowClient(uri)
            id = _experiment(client, uri, experiment)
        yield Store(client, uri, id)
    except (MlflowException, sqlalchemy.exc.SQLAlchemyError, requests.RequestException, OSError) as error:
        raise UserError(f"track.uri = {shown}: {_failure(error)}") from None
    finally:
        mlflow.set_tracking_uri(before)


def _tables_turn(uri: str) -> contextlib.AbstractContextManager:
    """The first process to open a database creates its tables; two at once would corrupt them."""
    locks = database_locks(uri)
    return locks("tables").turn() if locks else contextlib.nullcontext()  # a server has created its tables


def _experiment(client: mlflow.MlflowClient, uri: str, name: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return client.create_experiment(name, artifact_location=_artifacts(uri))
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):  # another process was faster
                raise
            found = client.get_experiment_by_name(name)
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return found.experiment_id


def _artifacts(uri: str) -> str | None:
    if uri.startswith("http"):
        return None
    folder = Path(uri.removeprefix(SQLITE)).parent if uri.startswith(SQLITE) else Path()
    return (folder / ARTIFACTS).resolve().as_uri()


def _probe(uri: str, shown: str) -> None:
    """Fails at once; the library would retry for minutes."""
    if uri.startswith("http"):
        _probe_server(uri.rstrip("/"), shown)
    elif uri.startswith(SQLITE):
        path = Path(uri.removeprefix(SQLITE))
        if not path.parent.is_dir():
            raise UserError(f"track.uri = {shown}: there is no folder {path.parent}: create it, or name another file")
        if path.is_dir() or (path.is_file() and not _is_database(path)):
            raise UserError(f"track.uri = {shown}: {path} is not a SQLite database: name another file")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise UserError(f"track.uri = {shown}: {path} cannot be written: change its permissions, or name another")
    else:
        try:
            sqlalchemy.create_engine(uri).connect().close()
        except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
            raise UserError(
                f"track.uri = {shown}: no connection ({_first_line(error)}): start the database, install its "
                "driver, or set track.uri to sqlite:///mlflow.db"
            ) from None


def _probe_server(uri: str, shown: str) -> None:
    """Checks MLflow's health, then access for the user of the environment."""
    fault = f"track.uri = {shown}"
    credentials = get_default_host_creds(uri)
    verify = credentials.server_cert_path or not credentials.ignore_tls_verification
    try:
        health = requests.get(f"{uri}/health", timeout=SECONDS_TO_ANSWER, verify=verify)
    except requests.exceptions.SSLError as error:
        raise UserError(
            f"{fault}: its certificate is not trusted ({_first_line(error)}): name the authority's certificate in "
            "MLFLOW_TRACKING_SERVER_CERT_PATH, or correct the address"
        ) from None
    except requests.RequestException as error:
        raise UserError(
            f"{fault}: no answer ({type(error).__name__}): start the server (mlflow/README.md), correct host and port, "
            "or set track.uri to sqlite:///mlflow.db"
        ) from None
    if (health.ok and health.text.strip() != "OK") or health.status_code == requests.codes.not_found:
        raise UserError(f"{fault}: something answers there, but not an MLflow server: correct host and port")
    try:
        answer = http_request(
            credentials,
            "/api/2.0/mlflow/experiments/search",
            "GET",
            params={"max_results": 1},
            max_retries=0,
            raise_on_status=False,
        )
    except MlflowException as error:
        raise UserError(
            f"{fault}: the server is up, but does not answer requests ({_first_line(error)}): is its database running? "
            "Its log says more (docker compose logs server)"
        ) from None
    if not answer.ok:
        raise UserError(f"{fault}: {_refusal(answer, credentials.username)}")


def _refusal(answer: requests.Response, user: str | None) -> str:
    status = answer.status_code
    if status == requests.codes.unauthorized:
        if not user:
            return f"the server asks for a password: export {USER} and {PASSWORD} (or {TOKEN})"
        return f"the server refuses user {user} with this password: correct {USER} and {PASSWORD}"
    if status == requests.codes.forbidden and UNKNOWN_HOST in answer.text:
        name = urlsplit(answer.url).netloc
        return (
            f"the server refuses requests for the host name {name} (403): add {name} to its allowed hosts "
            "(SERVER_ALLOWED_HOSTS in mlflow/.env, or mlflow server --allowed-hosts), or use a name that it knows"
        )
    if status == requests.codes.forbidden:
        return f"user {user} may not do this (403): ask an administrator of the server for the permission"
    if status >= requests.codes.server_error:
        return (
            f"the server is up, but fails (status {status}): is its database running? "
            "Its log says more (docker compose logs server)"
        )
    return f"something answers there (status {status}), but not an MLflow server: correct host and port"


def _failure(error: Exception) -> str:
    """What went wrong while the store was in use, and the cure."""
    text = _first_line(error)
    status = re.search(r"\b50\d\b", text)
    if OF_ARTIFACTS in text and status:
        return (
            f"the server cannot reach its store of artifacts (status {status[0]}): start the S3 store and look at the "
            "logs (docker compose logs storage server), then run the step again"
        )
    if "PERMISSION_DENIED" in text or "Permission denied" in text:
        return (
            f"user {os.environ.get(USER, '')} may not do this ({text}): ask an administrator of the server for the "
            "permission, or set track.experiment and registry.name to your own"
        )
    return f"{text}: repair the store, or set track.uri to another"


def _is_database(path: Path) -> bool:
    with open(path, "rb") as file:
        head = file.read(len(SQLITE_MAGIC))
    return head in (b"", SQLITE_MAGIC)


def _without_password(uri: str) -> str:
    password = urlsplit(uri).password
    return uri.replace(f":{password}@", ":***@") if password else uri


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

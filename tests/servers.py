"""Servers that tests start: on free ports, in temporary folders, removed after the test run."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

SECONDS_TO_START = 900  # on a busy machine
OWNER, PASSWORD = "owner", "spoken-softly"


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def process(command: list[str], log: Path, stop: signal.Signals = signal.SIGTERM, **options) -> Iterator:
    """Runs a server during the block; it ends with this process even if that is killed.

    Args:
        command: program and arguments.
        log: file that receives its output.
        stop: the signal for an orderly shutdown.
        options: of subprocess.Popen.
    """
    tied = ["setpriv", "--pdeathsig", stop.name.removeprefix("SIG")] if shutil.which("setpriv") else []
    with open(log, "ab") as file:
        running = subprocess.Popen(
            [*tied, *command], stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **options
        )
    try:
        yield running
    finally:
        running.send_signal(stop)
        try:
            running.wait(SECONDS_TO_START)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """A PostgreSQL server of its own with password authentication.

    Yields:
        postgresql://owner:...@127.0.0.1:PORT/postgres; its user may create databases (`create_database`).

    Skips if PostgreSQL is not installed. PostgreSQL refuses to run as root, so for root it runs as the user postgres.
    """
    programs = _postgres_programs()
    if programs is None:
        pytest.skip("needs PostgreSQL: apt-get install --no-install-recommends postgresql")
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))  # short: a socket's path has at most 107 characters
    try:
        (folder / "password").write_text(PASSWORD)
        options = {"cwd": folder, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}}
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            for path in (folder, folder / "password"):
                os.chown(path, user.pw_uid, user.pw_gid)
            options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        access = ["--username", OWNER, "--pwfile", "password", "--auth", "scram-sha-256"]
        subprocess.run(
            [programs / "initdb", "--no-sync", "-E", "UTF8", *access, "-D", folder / "data"],
            check=True,
            capture_output=True,
            **options,
        )
        port = free_port()
        settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder, "fsync": "off"}
        command = [str(programs / "postgres"), "-D", str(folder / "data")]
        command += [f"--{name}={value}" for name, value in settings.items()]
        with process(command, folder / "log", signal.SIGINT, **options) as running:
            url = f"postgresql://{OWNER}:{PASSWORD}@127.0.0.1:{port}/postgres"
            _await_postgres(programs, port, running, folder / "log")
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def create_database(url: str, name: str) -> str:
    """Creates an empty database on the server of `postgres` and returns its address."""
    import psycopg
    from psycopg import sql

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return url.rpartition("/")[0] + f"/{name}"


def _postgres_programs() -> Path | None:
    """The folder of the server's programs, which Debian keeps outside of PATH."""
    found = shutil.which("postgres")
    if found:
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name))
    return folders[-1] if folders and (folders[-1] / "initdb").is_file() else None


def _await_postgres(programs: Path, port: int, running: subprocess.Popen, log: Path) -> None:
    asked = [programs / "pg_isready", "--quiet", "--timeout", "5", "--host", "127.0.0.1", "--port", str(port)]
    for _ in attempts(running, log):
        if subprocess.run(asked, check=False).returncode == 0:
            return


def attempts(running: subprocess.Popen, log: Path) -> Iterator[None]:
    """Paces the checks whether a server answers; fails if it has ended or takes too long."""
    end = time.monotonic() + SECONDS_TO_START
    while True:
        yield
        ended = running.poll()
        assert ended is None, f"the server ended with {ended}:\n{log.read_text(errors='replace')}"
        assert time.monotonic() < end, f"no answer in {SECONDS_TO_START} s:\n{log.read_text(errors='replace')}"
        time.sleep(0.05)

"""mlflow/restore when it is stopped or loses its connection: databases and artifacts must stay consistent.

A made-up program replaces PostgreSQL's and keeps each database as a file; the buckets are folders.
"""

import hashlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import compose
from tracking_servers import BESIDE_PYTHON, rclone

# `exchange`: what happens at the exchange. `silent`: from when on there is no answer.
PSQL = """#!{python}
import os, re, signal, sys
from pathlib import Path
state, question = Path({state!r}), sys.argv[-1]
if (state / "silent").exists():
    sys.exit("psql: error: connection to server failed")
at_exchange = (state / "exchange").read_text() if "RENAME" in question else ""
if "refused" in at_exchange:
    sys.exit("ERROR: database is being accessed by other users")
for name in re.findall(r"DROP DATABASE IF EXISTS (\\w+)", question):
    (state / name).unlink(missing_ok=True)
for name in re.findall(r"CREATE DATABASE (\\w+)", question):
    (state / name).write_text("restored")
for old, new in re.findall(r"ALTER DATABASE (\\w+) RENAME TO (\\w+)", question):
    (state / old).rename(state / new)
for name in re.findall(r"datname = '(\\w+)'", question):
    print(int((state / name).exists()))
if "pg_stat_activity" in question:
    print(0)
for name in ("SIGTERM", "SIGINT"):
    if name in at_exchange:
        os.kill(os.getppid(), getattr(signal, name))
if "silent" in at_exchange:
    (state / "silent").touch()
if "lost" in at_exchange:
    sys.exit("psql: error: server closed the connection unexpectedly")
"""


@dataclass
class Server:
    """A made-up server with old contents in its databases and bucket; `backup` has the new ones."""

    folder: Path
    environment: dict[str, str]

    def restore(self, exchange: str = "") -> subprocess.CompletedProcess:
        (self.folder / "state/exchange").write_text(exchange)
        command = [compose.FOLDER / "restore", "--direct", "--force", self.folder / "backup"]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, preexec_fn=listening
        )

    def holds(self) -> tuple[str, dict[str, str]]:
        """The state of the database, and the objects of the bucket."""
        objects = {path.name: path.read_text() for path in (self.folder / "bucket").iterdir()}
        return (self.folder / "state/mlflow").read_text(), objects

    def databases(self) -> set[str]:
        return {path.name for path in (self.folder / "state").glob("mlflow*")}


def listening() -> None:
    """A shell cannot trap signals that were ignored when it was started."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


OLD = ("old", {"model": "old", "removed": "old"})
NEW = ("restored", {"model": "new", "added": "new"})


@pytest.fixture
def server(tmp_path) -> Server:
    rclone()
    for folder in ("programs", "state", "bucket", "backup/objects"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("mlflow", "mlflow_auth"):
        (tmp_path / "state" / name).write_text("old")
        (tmp_path / f"backup/{name}.dump").write_text("a dump")
    for name, content in OLD[1].items():
        (tmp_path / "bucket" / name).write_text(content)
    for name, content in NEW[1].items():
        (tmp_path / "backup/objects" / name).write_text(content)
    files = [path for path in (tmp_path / "backup").rglob("*") if path.is_file()]
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(tmp_path / 'backup')}" for path in files
    ]
    (tmp_path / "backup/SHA256SUMS").write_text("\n".join(lines) + "\n")
    programs = {"psql": PSQL.format(python=sys.executable, state=str(tmp_path / "state"))}
    programs |= dict.fromkeys(("pg_dump", "pg_restore"), "#!/bin/sh\ncat >/dev/null\n")
    for name, text in programs.items():
        (tmp_path / "programs" / name).write_text(text)
        (tmp_path / "programs" / name).chmod(0o755)
    environment = {
        "PATH": os.pathsep.join(map(str, (tmp_path / "programs", BESIDE_PYTHON, os.environ["PATH"]))),
        "HOME": str(tmp_path),
        "LC_ALL": "C.UTF-8",
        "PGHOST": "made-up",
        "RCLONE_CONFIG_STORE_ENDPOINT": "made-up",
    }
    for name in ("bucket", "before"):
        environment |= {f"RCLONE_CONFIG_{name.upper()}_TYPE": "alias"}
        environment |= {f"RCLONE_CONFIG_{name.upper()}_REMOTE": str(tmp_path / name)}
    return Server(tmp_path, environment)


@pytest.mark.parametrize("exchange", ["", "SIGTERM", "SIGINT", "lost"])
def test_a_restore_is_complete_if_the_exchange_was_made_even_without_an_answer(server, exchange):
    finished = server.restore(exchange)
    assert (finished.returncode, finished.stdout) == (0, f"{server.folder / 'backup'}: restored\n"), finished.stderr
    assert server.holds() == NEW
    assert server.databases() == {"mlflow", "mlflow_auth"} and not (server.folder / "before").exists()


def test_a_restore_whose_exchange_was_refused_restores_the_old_state(server):
    finished = server.restore("refused")
    assert finished.returncode == 1
    assert "the databases: could not be exchanged (above): the earlier state is restored" in finished.stderr
    assert server.holds() == OLD
    assert server.databases() == {"mlflow", "mlflow_auth"} and not (server.folder / "before").exists()


@pytest.mark.parametrize("exchange", ["silent lost", "silent lost refused", "silent lost SIGTERM"])
def test_without_an_answer_about_the_exchange_the_bucket_is_not_changed(server, exchange):
    if "refused" in exchange:
        psql = server.folder / "programs/psql"
        psql.write_text(psql.read_text().replace('sys.exit("ERROR', '(state / "silent").touch(); sys.exit("ERROR'))
    finished = server.restore(exchange)
    assert finished.returncode == 1
    assert "does not tell whether they were exchanged (above): the bucket is not changed: repeat" in finished.stderr
    assert server.holds() == (OLD[0] if "refused" in exchange else NEW[0], NEW[1])

    (server.folder / "state/silent").unlink()
    assert server.restore().returncode == 0
    assert server.holds() == NEW
    assert server.databases() == {"mlflow", "mlflow_auth"} and not (server.folder / "before").exists()


def test_a_server_without_an_answer_is_not_treated_as_empty(server):
    psql = server.folder / "programs/psql"
    psql.write_text(psql.read_text() + 'if "datname = " in question: sys.exit(2)\n')
    finished = server.restore()
    assert finished.returncode == 1
    assert "PostgreSQL does not tell whether it exists (above): repeat this command" in finished.stderr
    assert server.holds() == OLD


def test_replaced_objects_that_cannot_be_removed_do_not_come_back(server):
    """mlflow_before stays until they are gone: without it the next restore would take them for a killed one's."""
    program = server.folder / "programs/rclone"
    program.write_text(f'#!/bin/sh\ncase "$*" in *purge*) exit 1 ;; esac\nexec {rclone()} "$@"\n')
    program.chmod(0o755)
    finished = server.restore()
    assert finished.returncode == 0
    assert "the replaced objects could not be removed (above): the next restore removes them" in finished.stderr
    assert server.holds() == NEW
    program.unlink()
    assert server.restore("refused").returncode == 1
    assert server.holds() == NEW
    assert server.databases() == {"mlflow", "mlflow_auth"}

"""Locks on a database that end with their holder, however it ends: a file's by the system, a server's by the server."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy
import sqlalchemy.exc
from filelock import FileLock

LOCKS = 0x5E3A  # first number of this project's advisory locks in a database that others may use, too
STUDIES, TABLES = 0, -1  # second numbers: the right to change studies, and to make MLflow's tables; workers from 1
KEEPALIVE = {"tcp_keepalives_idle": 30, "tcp_keepalives_interval": 10, "tcp_keepalives_count": 3}  # seconds, tries


def file_turn(database: Path) -> contextlib.AbstractContextManager:
    """While inside, nobody else of this machine is: waits for a lock on a file beside the database."""
    return FileLock(f"{database}.lock")


@contextlib.contextmanager
def server_turn(engine: sqlalchemy.Engine, number: int) -> Iterator[None]:
    """While inside, nobody else who names this number is: waits for an advisory lock of a PostgreSQL server.

    A machine that vanished is noticed within a minute.

    Args:
        engine: commits by itself (isolation level AUTOCOMMIT).
    """
    with engine.connect() as connection:
        for name, value in KEEPALIVE.items():
            connection.scalar(sqlalchemy.func.set_config(name, str(value), False).select())
        connection.execute(sqlalchemy.func.pg_advisory_lock(LOCKS, number).select())
        try:
            yield
        finally:
            with contextlib.suppress(sqlalchemy.exc.DBAPIError):  # the session is lost, and the lock with it
                connection.execute(sqlalchemy.func.pg_advisory_unlock(LOCKS, number).select())

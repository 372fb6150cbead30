"""Locks, which one process at a time can hold; some also show whether their holder still runs.

`Lock` is the interface. `database_locks` gives the locks of a database file or a PostgreSQL server, which the operating
system or the server releases when their holder ends, even if it is killed. An MLflow server gives no access to its
database; its locks are in tracking.lease.
"""

import contextlib
import hashlib
import os
import platform
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy
import sqlalchemy.exc
from filelock import FileLock, Timeout

from speech_emotion.errors import UserError

SQLITE, POSTGRESQL = "sqlite:///", "postgresql"
SESSION = {  # settings of a connection that holds a lock: a lost client is noticed within a minute
    "tcp_keepalives_idle": "30",  # seconds
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
HOLDER = """
    SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND pg_locks.database = datid
    AND datname = current_database() AND (classid::bigint << 32 | objid::bigint) = :number
"""
Note = Callable[[str], None]


def silent(text: str) -> None:
    """A `Note` that ignores the text."""


class Turn:
    """The right to make changes, held inside `Lock.turn`."""

    def confirm(self) -> None:
        """Checks that this process still has the lock; call it before each change. The lock on a file cannot be lost.

        Raises:
            UserError: the lock was lost because this process was silent for too long; another one may have it now.
        """


class Lock(ABC):
    """Mutual exclusion of processes by the name of a lock. It is not reentrant."""

    @abstractmethod
    def turn(self, note: Note = silent) -> AbstractContextManager[Turn]:
        """Context manager that holds the lock; waits until it is free.

        Args:
            note: called with a sentence that names the process waited for, and what to do if it takes too long.

        Raises:
            UserError: this process lost its place while waiting.
        """


class DatabaseLock(Lock):
    """A lock that is released as soon as its holder ends, so that it shows whether the holder runs."""

    @abstractmethod
    def is_held(self) -> bool:
        """Whether any process, including this one, holds the lock now."""


def database_locks(url: str) -> Callable[[str], DatabaseLock] | None:
    """Returns what makes the locks of a database from their names; None if the database has no such locks.

    Args:
        url: sqlite:///file: the locks are files beside it, for processes that use the same file system.
            postgresql://...: the locks are for all clients of that database. Any other: None.
    """
    if url.startswith(SQLITE):
        path = Path(url.removeprefix(SQLITE))
        return lambda name: LockedFile(path.with_name(f"{path.name}.{name}.lock"))
    if url.startswith(POSTGRESQL):
        engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT", pool_pre_ping=True)
        return lambda name: AdvisoryLock(engine, name)
    return None


def waiting_for(holder: str) -> str:
    """The note of a process that waits for `holder`."""
    return f"store: waiting for {holder}, which is making changes: if it hangs, end it"


@dataclass(frozen=True)
class LockedFile(DatabaseLock):
    """A lock on a file (flock). The file exists while the lock is held, and names the holder."""

    path: Path

    @contextlib.contextmanager
    def turn(self, note: Note = silent) -> Iterator[Turn]:
        with self._acquired(note):
            try:
                self.path.write_text(_this_process(), encoding="utf-8")
                yield Turn()
            finally:
                self._remove()

    def is_held(self) -> bool:
        if not self.path.exists():
            return False
        try:
            with FileLock(self.path, blocking=False):
                self._remove()  # its holder was killed
        except Timeout:
            return True
        return False

    def _acquired(self, note: Note) -> AbstractContextManager:
        lock = FileLock(self.path)
        try:
            return lock.acquire(blocking=False)
        except Timeout:
            note(waiting_for(self._holder()))
            return lock.acquire()

    def _remove(self) -> None:
        """Called by the holder. A process that waits on the deleted file then takes the lock on a new one."""
        self.path.unlink(missing_ok=True)

    def _holder(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8") or "another process"
        except FileNotFoundError:
            return "another process"


@dataclass(frozen=True)
class AdvisoryLock(DatabaseLock):
    """An advisory lock of a PostgreSQL server: held by a session, and released when the session ends.

    Attributes:
        engine: with isolation level AUTOCOMMIT.
        name: of the lock. Its number is a hash, since other programs may use the same database.
    """

    engine: sqlalchemy.Engine
    name: str

    @contextlib.contextmanager
    def turn(self, note: Note = silent) -> Iterator[Turn]:
        with self.engine.connect() as connection:
            for setting, value in {**SESSION, "application_name": _this_process()[-63:]}.items():
                connection.scalar(sqlalchemy.func.set_config(setting, value, False).select())
            if not connection.scalar(sqlalchemy.func.pg_try_advisory_lock(self.number).select()):
                holder = connection.scalar(sqlalchemy.text(HOLDER), {"number": self.number})
                note(waiting_for(holder or "another process"))
                connection.execute(sqlalchemy.func.pg_advisory_lock(self.number).select())
            try:
                yield _SessionTurn(connection)
            finally:
                with contextlib.suppress(sqlalchemy.exc.SQLAlchemyError):  # the session, and so the lock, is lost
                    connection.execute(sqlalchemy.func.pg_advisory_unlock(self.number).select())

    def is_held(self) -> bool:
        with self.engine.connect() as connection:
            free = connection.scalar(sqlalchemy.func.pg_try_advisory_lock(self.number).select())
            if free:
                connection.scalar(sqlalchemy.func.pg_advisory_unlock(self.number).select())
        return not free

    @property
    def number(self) -> int:
        """The lock's number, a signed 64-bit integer."""
        digest = hashlib.sha256(f"speech-emotion {self.name}".encode()).digest()
        return int.from_bytes(digest[:8], "big", signed=True)


class _SessionTurn(Turn):
    """Lasts as long as the session, which the server ends if its client is silent for too long."""

    def __init__(self, connection: sqlalchemy.Connection):
        self._connection = connection

    def confirm(self) -> None:
        try:
            self._connection.execute(sqlalchemy.select(1))  # a lost connection does not open a new session
        except sqlalchemy.exc.SQLAlchemyError as error:
            raise UserError(
                "store: the database server ended the session that held this process's lock, and others may make "
                "changes now: run the command again"
            ) from error


def _this_process() -> str:
    return f"{platform.node()} process {os.getpid()}"

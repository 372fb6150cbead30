"""Locks: one process at a time, and whether a process that took a lock still runs.

`Lock` is the interface. A database file and a PostgreSQL server have locks of their own, which the operating system or
the server frees when their holder ends, however it ends: `database_locks` makes them. An MLflow server gives no access
to its database; what it can do is in tracking.lease.
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
SESSION = {  # settings of a connection that holds a lock: a machine that vanished is noticed within a minute
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
    """A `Note` for those who need not be told."""


class Turn:
    """The right to make changes, held for the length of `Lock.turn`."""

    def confirm(self) -> None:
        """Checks that the turn is not lost; to be called before each change. That of a file cannot be lost.

        Raises:
            UserError: it is, and another process may be at work: this one was silent for too long.
        """


class Lock(ABC):
    """Mutual exclusion of the processes that name the same lock. It is not reentrant."""

    @abstractmethod
    def turn(self, note: Note = silent) -> AbstractContextManager[Turn]:
        """While inside, no other process is: waits until the lock is free.

        Args:
            note: is told for whom this process waits, and what to do if that takes too long.

        Raises:
            UserError: the turn was lost while waiting.
        """


class DatabaseLock(Lock):
    """A lock that is free as soon as its holder ends, so that a process can show by it that it runs."""

    @abstractmethod
    def is_held(self) -> bool:
        """Whether any process, this one included, is inside `turn` now."""


def database_locks(url: str) -> Callable[[str], DatabaseLock] | None:
    """The locks of a database by their names; None where it is no database that has locks of this kind.

    Args:
        url: sqlite:///file, whose locks are files beside it, for processes that see the same file system;
            postgresql://..., whose locks hold for all clients of that database; or another.
    """
    if url.startswith(SQLITE):
        path = Path(url.removeprefix(SQLITE))
        return lambda name: LockedFile(path.with_name(f"{path.name}.{name}.lock"))
    if url.startswith(POSTGRESQL):
        engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT", pool_pre_ping=True)
        return lambda name: AdvisoryLock(engine, name)
    return None


def waiting_for(holder: str) -> str:
    """The sentence for a process that waits."""
    return f"store: waiting for {holder}, which is making changes: if it hangs, end it"


@dataclass(frozen=True)
class LockedFile(DatabaseLock):
    """A lock on a file (flock), which exists while the lock is held and says who holds it."""

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
        """To be called by the holder: who waits for a file that is gone by then takes the lock on a new one."""
        self.path.unlink(missing_ok=True)

    def _holder(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8") or "another process"
        except FileNotFoundError:
            return "another process"


@dataclass(frozen=True)
class AdvisoryLock(DatabaseLock):
    """An advisory lock of a PostgreSQL server: held by a session, and free when the session ends.

    Attributes:
        engine: commits by itself (isolation level AUTOCOMMIT).
        name: of the lock; others may use the same database, so that its number is a hash.
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
                with contextlib.suppress(sqlalchemy.exc.SQLAlchemyError):  # the session is lost, and the lock with it
                    connection.execute(sqlalchemy.func.pg_advisory_unlock(self.number).select())

    def is_held(self) -> bool:
        with self.engine.connect() as connection:
            free = connection.scalar(sqlalchemy.func.pg_try_advisory_lock(self.number).select())
            if free:
                connection.scalar(sqlalchemy.func.pg_advisory_unlock(self.number).select())
        return not free

    @property
    def number(self) -> int:
        """The lock's number, 64 bits with a sign."""
        digest = hashlib.sha256(f"speech-emotion {self.name}".encode()).digest()
        return int.from_bytes(digest[:8], "big", signed=True)


class _SessionTurn(Turn):
    """Lasts as long as the session, which the server ends when its client is silent for too long."""

    def __init__(self, connection: sqlalchemy.Connection):
        self._connection = connection

    def confirm(self) -> None:
        try:
            self._connection.execute(sqlalchemy.select(1))  # a connection that was lost opens no new session
        except sqlalchemy.exc.SQLAlchemyError as error:
            raise UserError(
                "store: the database server ended the session in which this process made its changes, and others may "
                "make theirs now: run the command again"
            ) from error


def _this_process() -> str:
    return f"{platform.node()} process {os.getpid()}"

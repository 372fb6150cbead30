"""Where studies lie, sqlite or PostgreSQL; and who of several workers may change them and is alive.

A worker holds a lock of the operating system or of the database server as long as it lives. However it ends, the lock
is free at once: no heartbeat, no time to wait, no clocks to agree.
"""

import contextlib
import secrets
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import optuna
import sqlalchemy
import sqlalchemy.exc
from filelock import FileLock, Timeout
from optuna.storages import RDBStorage

from speech_emotion.errors import UserError
from speech_emotion.store.locks import LOCKS, STUDIES, file_turn, server_turn

SQLITE = "sqlite:///"
SECONDS_FOR_A_LOCKED_FILE = 60

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Guard(Protocol):
    """Mutual exclusion and presence of the workers of one storage."""

    def turn(self) -> contextlib.AbstractContextManager[None]:
        """While inside, nobody else is."""

    def present(self) -> contextlib.AbstractContextManager[int]:
        """While inside, this worker is alive; yields its number."""

    def is_alive(self, worker: int) -> bool:
        """Whether the worker of that number is; to be asked while it is one's turn."""


class FileGuard:
    """Locks on files beside an sqlite database: for the workers of one machine."""

    def __init__(self, database: Path):
        self.database = database

    def turn(self) -> contextlib.AbstractContextManager:
        return file_turn(self.database)

    @contextlib.contextmanager
    def present(self) -> Iterator[int]:
        worker = _fresh_number()
        with FileLock(self._path(worker)):
            yield worker
        self._path(worker).unlink(missing_ok=True)

    def is_alive(self, worker: int) -> bool:
        path = self._path(worker)
        if not path.exists():
            return False
        try:
            with FileLock(path, timeout=0):
                pass
        except Timeout:
            return True
        path.unlink(missing_ok=True)
        return False

    def _path(self, worker: int) -> Path:
        return self.database.with_name(f"{self.database.name}.worker-{worker}")


class ServerGuard:
    """Advisory locks of a PostgreSQL server: for workers on many machines. The server frees those of a lost session."""

    def __init__(self, engine: sqlalchemy.Engine):
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    def turn(self) -> contextlib.AbstractContextManager:
        return server_turn(self._engine, STUDIES)

    @contextlib.contextmanager
    def present(self) -> Iterator[int]:
        worker = _fresh_number()
        with server_turn(self._engine, worker):
            yield worker

    def is_alive(self, worker: int) -> bool:
        with self._engine.connect() as connection:
            free = connection.scalar(sqlalchemy.func.pg_try_advisory_lock(LOCKS, worker).select())
            if free:
                connection.scalar(sqlalchemy.func.pg_advisory_unlock(LOCKS, worker).select())
        return not free


def storage_url(setting: str, folder: Path, system: str) -> str:
    """The address that `tune.storage` means: a database file a system in `folder`, or the server as it stands there."""
    return f"{SQLITE}{(folder / f'{system}.db').resolve()}" if setting == "sqlite" else setting


def open_storage(url: str) -> tuple[RDBStorage, Guard]:
    """Opens a storage, made where absent; a password that the address lacks is PGPASSWORD's or .pgpass's.

    Raises:
        UserError: the server does not answer or refuses, the file is no database, or the driver is not installed.
    """
    with answering(url):
        if url.startswith(SQLITE):
            path = Path(url.removeprefix(SQLITE))
            path.parent.mkdir(parents=True, exist_ok=True)
            guard: Guard = FileGuard(path)
            options = {"connect_args": {"timeout": SECONDS_FOR_A_LOCKED_FILE}}
        else:
            guard = ServerGuard(sqlalchemy.create_engine(url, pool_pre_ping=True))
            options = {"pool_pre_ping": True}
        with guard.turn():  # tables are made once, whoever comes first
            return RDBStorage(url, options), guard


@contextlib.contextmanager
def answering(url: str) -> Iterator[None]:
    """What a storage raises inside becomes a UserError with a cure."""
    try:
        yield
    except ModuleNotFoundError as error:
        if url.startswith(SQLITE):
            raise
        raise UserError(f"tune.storage = {url}: needs {error.name}: pip install '.[postgresql]'") from None
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        cause = error.__cause__ if isinstance(error, optuna.exceptions.StorageInternalError) else error
        text = str(getattr(cause, "orig", None) or cause).strip().splitlines()[0]
        cure = "free its disk, or remove it" if url.startswith(SQLITE) else "start the server, or set PGPASSWORD"
        raise UserError(f"tune.storage = {url}: {text}: {cure}; finished trials are kept there") from None


def open_study(name: str, storage: RDBStorage) -> optuna.Study:
    """The study of that name, made where absent; to be called while it is one's turn."""
    return optuna.create_study(
        study_name=name,
        storage=storage,
        direction="maximize",
        load_if_exists=True,
        sampler=optuna.samplers.RandomSampler(),  # never asked: sampling.py draws
    )


def study_states(storage: RDBStorage) -> dict[str, dict[str, int]]:
    """Names of all studies of a storage, with how many trials stand in which state."""
    names = optuna.get_all_study_names(storage)
    return {
        name: dict(
            Counter(
                trial.state.name.lower()
                for trial in optuna.load_study(study_name=name, storage=storage).get_trials(deepcopy=False)
            )
        )
        for name in names
    }


def delete_study(name: str, storage: RDBStorage) -> None:
    """Removes a study with its trials; to be called while it is one's turn."""
    optuna.delete_study(study_name=name, storage=storage)


def _fresh_number() -> int:
    return 1 + secrets.randbelow(2**31 - 1)

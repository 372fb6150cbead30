"""Storage of studies in sqlite or PostgreSQL, and the locks of its workers.

Each worker holds a lock of its own (store.locks) as long as it runs. The lock is released at once when the worker ends
or is killed, so no heartbeats, timeouts or synchronised clocks are needed.
"""

import contextlib
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import optuna
import sqlalchemy.exc
from optuna.storages import RDBStorage

from speech_emotion.errors import UserError
from speech_emotion.store.locks import SQLITE, DatabaseLock, Turn, database_locks

STUDIES = "studies"  # name of the lock that is needed to change studies
SECONDS_FOR_A_LOCKED_FILE = 60

optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True)
class Guard:
    """The locks of a storage: which worker may change its studies, and which workers are running.

    Attributes:
        lock: name -> lock.
    """

    lock: Callable[[str], DatabaseLock]

    def turn(self) -> AbstractContextManager[Turn]:
        """Inside this context, no other worker can change a study."""
        return self.lock(STUDIES).turn()

    @contextlib.contextmanager
    def present(self) -> Iterator[int]:
        """Inside this context, this worker counts as alive; yields its number."""
        worker = 1 + secrets.randbelow(2**31 - 1)
        with self.lock(worker_lock(worker)).turn():
            yield worker

    def is_alive(self, worker: int) -> bool:
        """Whether the worker with this number is running. Call it only inside turn()."""
        return self.lock(worker_lock(worker)).is_held()


def worker_lock(worker: int) -> str:
    """Name of the lock that a worker holds as long as it runs."""
    return f"worker-{worker}"


def storage_url(setting: str, folder: Path, system: str) -> str:
    """The storage's address: for "sqlite" the database file of the system, otherwise the server's address itself.

    Args:
        setting: value of `tune.storage`.
        folder: folder of the database files.
        system: id of the system.
    """
    return f"{SQLITE}{(folder / f'{system}.db').resolve()}" if setting == "sqlite" else setting


def open_storage(url: str) -> tuple[RDBStorage, Guard]:
    """Opens a storage, and creates it if it does not exist.

    Args:
        url: address; if it has no password, PGPASSWORD or .pgpass gives it.

    Raises:
        UserError: the server does not answer or refuses, the file is not a database, or the driver is not installed.
    """
    with answering(url):
        if url.startswith(SQLITE):
            path = Path(url.removeprefix(SQLITE))
            path.parent.mkdir(parents=True, exist_ok=True)
            options = {"connect_args": {"timeout": SECONDS_FOR_A_LOCKED_FILE}}
        else:
            options = {"pool_pre_ping": True}
        guard = Guard(database_locks(url))
        with guard.turn():  # only the first worker creates the tables
            return RDBStorage(url, options), guard


@contextlib.contextmanager
def answering(url: str) -> Iterator[None]:
    """Turns errors of the storage inside this context into a UserError with a cure.

    Args:
        url: address of the storage.
    """
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
    """Opens a study, and creates it if it does not exist. Call it only inside guard.turn()."""
    return optuna.create_study(
        study_name=name,
        storage=storage,
        direction="maximize",
        load_if_exists=True,
        sampler=optuna.samplers.RandomSampler(),  # never used: sampling.py draws
    )


def study_states(storage: RDBStorage) -> dict[str, dict[str, int]]:
    """Study name -> state -> number of trials, for all studies of a storage."""
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
    """Removes a study with its trials. Call it only inside guard.turn()."""
    optuna.delete_study(study_name=name, storage=storage)

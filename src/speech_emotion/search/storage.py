"""Where studies lie, sqlite or PostgreSQL; and who of several workers may change them and is alive.

A worker holds a lock of its own (store.locks) as long as it runs. However it ends, the lock is free at once: no
heartbeat, no time to wait, no clocks to agree.
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

STUDIES = "studies"  # name of the lock whose holder may change them
SECONDS_FOR_A_LOCKED_FILE = 60

optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True)
class Guard:
    """Which worker of a storage may change its studies, and which workers run."""

    lock: Callable[[str], DatabaseLock]

    def turn(self) -> AbstractContextManager[Turn]:
        """While inside, no other worker changes a study."""
        return self.lock(STUDIES).turn()

    @contextlib.contextmanager
    def present(self) -> Iterator[int]:
        """While inside, this worker is alive; yields its number."""
        worker = 1 + secrets.randbelow(2**31 - 1)
        with self.lock(worker_lock(worker)).turn():
            yield worker

    def is_alive(self, worker: int) -> bool:
        """Whether the worker of that number is; to be asked while it is one's turn."""
        return self.lock(worker_lock(worker)).is_held()


def worker_lock(worker: int) -> str:
    """The name of the lock that a worker holds as long as it runs."""
    return f"worker-{worker}"


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
            options = {"connect_args": {"timeout": SECONDS_FOR_A_LOCKED_FILE}}
        else:
            options = {"pool_pre_ping": True}
        guard = Guard(database_locks(url))
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

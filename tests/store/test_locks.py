import multiprocessing
import os
import signal
import threading

import pytest
import sqlalchemy

from servers import create_database
from speech_emotion.errors import UserError
from speech_emotion.store.locks import database_locks

ENDS_SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'one.db'}"
    return create_database(request.getfixturevalue("postgres"), f"locks_{abs(hash(request.node.nodeid))}")


@pytest.fixture
def lock(url):
    """Makes the lock of a name; each call makes another object, as another process would."""
    return lambda name: database_locks(url)(name)


def holds_until_killed(url, told):
    with database_locks(url)("tables").turn():
        told.send(os.getpid())
        threading.Event().wait()


def counts_up(url, file, rounds):
    for _ in range(rounds):
        with database_locks(url)("count").turn():
            count = int(file.read_text())
            os.sched_yield()
            file.write_text(str(count + 1))


@pytest.fixture
def holder(url):
    """A process that holds the lock until it is killed."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=holds_until_killed, args=(url, theirs), daemon=True)
    process.start()
    assert ours.recv() == process.pid
    yield process
    process.kill()
    process.join()


def test_a_process_waits_until_the_holder_is_done_and_names_it(lock):
    order = []

    def second():
        with lock("tables").turn(order.append):
            order.append("second")

    waiting = threading.Thread(target=second)
    with lock("tables").turn(order.append):
        waiting.start()
        while not order:
            pass
        order.append("first")
    waiting.join()
    assert f"process {os.getpid()}, which is making changes: if it hangs, end it" in order[0]
    assert order[1:] == ["first", "second"]


def test_processes_that_take_turns_count_correctly(url, tmp_path):
    file = tmp_path / "count"
    file.write_text("0")
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=counts_up, args=(url, file, 50), daemon=True) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert file.read_text() == "150"


def test_a_killed_holder_releases_the_lock(lock, holder):
    assert lock("tables").is_held()
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    with lock("tables").turn():
        pass
    assert not lock("tables").is_held()


def test_a_stopped_holder_keeps_the_lock(lock, holder):
    os.kill(holder.pid, signal.SIGSTOP)
    assert lock("tables").is_held()


def test_a_lock_is_held_during_the_turn(lock):
    assert not lock("tables").is_held()
    with lock("tables").turn() as turn:
        turn.confirm()
        assert lock("tables").is_held()
    assert not lock("tables").is_held()


def test_locks_of_different_names_are_independent(lock):
    with lock("tables").turn(), lock("studies").turn():
        pass


def test_an_exception_releases_the_lock(lock):
    with pytest.raises(ZeroDivisionError), lock("tables").turn():
        raise ZeroDivisionError
    assert not lock("tables").is_held()


def test_no_file_remains(tmp_path):
    lock = database_locks(f"sqlite:///{tmp_path / 'one.db'}")("tables")
    with lock.turn():
        assert lock.path == tmp_path / "one.db.tables.lock" and lock.path.is_file()
    assert list(tmp_path.iterdir()) == []


def test_a_session_that_the_server_ended_has_lost_the_lock(postgres):
    url = create_database(postgres, "lost_turns")
    with database_locks(url)("tables").turn() as turn:
        turn.confirm()
        with sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(sqlalchemy.text(ENDS_SESSIONS))
        for _ in range(2):  # the connection does not open a new session, which would not have the lock
            with pytest.raises(UserError, match=r"the database server ended the session .*: run the command again"):
                turn.confirm()


def test_an_mlflow_server_has_no_database_locks():
    assert database_locks("http://localhost:5000") is None

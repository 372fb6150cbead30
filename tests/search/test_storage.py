import multiprocessing
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from speech_emotion.errors import UserError
from speech_emotion.search.storage import open_storage, open_study, storage_url, study_states


def _holds_until_killed(url, pipe):
    _, guard = open_storage(url)
    with guard.present() as worker:
        pipe.send(worker)
        threading.Event().wait()


def test_a_worker_is_alive_until_it_leaves(url):
    _, guard = open_storage(url)
    with guard.present() as worker:
        assert guard.is_alive(worker)
    assert not guard.is_alive(worker)


def test_a_killed_worker_is_dead_at_once(url):
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_holds_until_killed, args=(url, theirs))
    process.start()
    worker = ours.recv()
    _, guard = open_storage(url)
    assert guard.is_alive(worker)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    while guard.is_alive(worker):  # a server releases the lock when it notices the closed connection
        pass


def test_only_one_worker_has_the_turn(url):
    guards = [open_storage(url)[1] for _ in range(3)]
    inside, most = [], []

    def takes_turns(guard):
        for _ in range(20):
            with guard.turn():
                inside.append(guard)
                os.sched_yield()
                most.append(len(inside))
                inside.remove(guard)

    with ThreadPoolExecutor() as pool:
        list(pool.map(takes_turns, guards))
    assert len(most) == 60 and max(most) == 1


def test_study_states_count_the_trials_of_each_study(url):
    storage, guard = open_storage(url)
    with guard.turn():
        study = open_study("one", storage)
        assert open_study("one", storage).study_name == study.study_name
    study.enqueue_trial({})
    assert study_states(storage) == {"one": {"waiting": 1}}


def test_the_password_may_come_from_the_environment(postgres, monkeypatch):
    parts = urlsplit(postgres)
    bare = postgres.replace(f":{parts.password}@", "@")
    monkeypatch.setenv("PGPASSWORD", parts.password)
    storage, _ = open_storage(bare)
    assert study_states(storage) == {}


def test_a_server_that_refuses_is_an_error_with_the_cure(postgres, monkeypatch):
    parts = urlsplit(postgres)
    monkeypatch.setenv("PGPASSWORD", "guessed")
    with pytest.raises(UserError, match=r"tune.storage = postgresql://owner@.*set PGPASSWORD"):
        open_storage(postgres.replace(f":{parts.password}@", "@"))


def test_a_file_that_is_not_a_database_is_an_error_with_the_cure(tmp_path):
    (tmp_path / "t2.db").write_text("no database, whatever its name says\n" * 100)
    with pytest.raises(
        UserError, match=r"tune.storage = sqlite:.*t2.db: file is not a database: free its disk, or remove it"
    ):
        open_storage(storage_url("sqlite", tmp_path, "t2"))

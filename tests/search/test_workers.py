"""Several processes work on one study; some are really killed."""

import multiprocessing

import pytest
import sqlalchemy
from optuna.trial import TrialState

from made_up_searches import kills_always, kills_once, searches, smooth, undisturbed
from orphans import killed_with_workers, survivors
from servers import create_database
from speech_emotion.search import workers
from speech_emotion.search.storage import open_storage, open_study
from speech_emotion.search.study import WORKER
from speech_emotion.search.workers import search, work
from told import Told


def _rows(founds):
    return [found.trials for found in founds]


def _attempts(job):
    storage, _ = open_storage(job.url)
    return open_study(job.name, storage).get_trials()


def _by_one_worker(jobs, judge, url):
    """The trials of a search with a single worker."""
    return _rows(search([type(job)(job.job, job.splits, job.params, url) for job in jobs], 1, Told(), "", judge))


def test_three_workers_run_the_same_trials_as_one(tmp_path, url):
    jobs = searches(tmp_path, url)
    founds = search(jobs, 3, Told(), "", smooth)
    assert _rows(founds) == _by_one_worker(jobs, smooth, f"sqlite:///{tmp_path / 'one.db'}")
    assert [len(_attempts(job)) for job in jobs] == [6, 6]


def test_the_trial_of_a_killed_worker_is_marked_and_tried_once_more(tmp_path, url):
    jobs, told = searches(tmp_path, url), Told()
    founds = search(jobs, 2, told, "", kills_once)
    assert _rows(founds) == _by_one_worker(jobs, undisturbed, f"sqlite:///{tmp_path / 'one.db'}")
    for job, found in zip(jobs, founds, strict=True):
        attempts = _attempts(job)
        dead = [attempt for attempt in attempts if attempt.state == TrialState.FAIL]
        assert len(dead) == 1 and len(attempts) == 7
        assert [one.params for one in attempts].count(dead[0].params) == 2
        assert any("was tried again: its worker was killed" in note for note in found.notes)
    assert told.notes.count("search worker: ended by SIGKILL: another takes its place") == 2


def test_a_trial_whose_worker_is_killed_twice_is_given_up_and_counts(tmp_path, url):
    (job,) = searches(tmp_path, url, count=1)
    (found,) = search([job], 2, Told(), "", kills_always)
    states = [row["state"] for row in found.trials]
    assert len(states) == 6 and states.count("failed") == 1
    assert sum(attempt.state == TrialState.FAIL for attempt in _attempts(job)) == 2
    assert any("is given up: its worker was killed twice" in note for note in found.notes)


def _worker(jobs, judge):
    for _ in work(jobs, judge):
        pass


def test_a_search_whose_only_process_was_killed_continues_at_the_next_start(tmp_path, url):
    (job,) = searches(tmp_path, url, count=1)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([workers.__name__])
    process = context.Process(target=_worker, args=([job], kills_once))
    process.start()
    process.join()
    assert process.exitcode == -9
    (found,) = search([job], 1, Told(), "", kills_once)
    assert len(found.trials) == 6 and len(_attempts(job)) == 7
    assert _rows([found]) == _by_one_worker([job], undisturbed, f"sqlite:///{tmp_path / 'one.db'}")


@pytest.mark.parametrize("count", [1, 2])
def test_a_finished_search_runs_no_trial(tmp_path, count):
    jobs = searches(tmp_path, f"sqlite:///{tmp_path / 't2.db'}", count=1)
    first = search(jobs, 1, Told(), "", smooth)
    assert _rows(search(jobs, count, Told(), "", kills_always)) == _rows(first)


SEARCHES = """
from pathlib import Path
from made_up_searches import searches, works_on
from speech_emotion.recorder import Recorder
from speech_emotion.search.workers import search

folder = Path({folder!r})
search(searches(folder, "sqlite:///" + str(folder / "t2.db")), 2, Recorder(quiet=True), "", works_on)
"""


def test_workers_end_and_give_back_their_trials_when_their_parent_process_is_killed(tmp_path):
    with killed_with_workers(SEARCHES.format(folder=str(tmp_path)), tmp_path, 2) as workers:
        assert survivors(workers) == []
    url = f"sqlite:///{tmp_path / 't2.db'}"
    founds = search(searches(tmp_path, url), 1, Told(), "", smooth)
    assert not any("killed" in note for found in founds for note in found.notes)


ENDS_SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


def test_a_worker_takes_its_lock_again_after_the_server_ended_its_sessions(tmp_path, postgres):
    url = create_database(postgres, "ended_sessions")
    (job,) = searches(tmp_path, url, count=1)
    ends = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    alive = []

    def judge(unit, splits, suggested, report):
        (attempt,) = [one for one in _attempts(job) if one.state == TrialState.RUNNING]
        alive.append(open_storage(url)[1].is_alive(attempt.user_attrs[WORKER]))
        if len(alive) in (1, 3):
            with ends.connect() as connection:
                connection.execute(sqlalchemy.text(ENDS_SESSIONS))
        return smooth(unit, splits, suggested, report)

    (found,) = search([job], 1, Told(), "", judge)
    assert alive == 6 * [True]
    assert not [attempt for attempt in _attempts(job) if attempt.state == TrialState.FAIL]
    assert len(found.trials) == 6

"""Pipeline search: four workers on a real PostgreSQL; one of them is really killed."""

import contextlib
import json
import threading
import time
from collections import Counter
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pandas as pd
import psutil
import pytest
import yaml
from kfp import dsl, local
from kfp.dsl import Dataset, Output
from kfp.local.orchestrator.enhanced_dag_orchestrator import ParallelExecutor
from optuna.trial import TrialState

from made_up_workplace import SPEAKERS, make_workplace
from orphans import survivors
from pipelines.configuring import configured
from pipelines.search import searching
from pipelines.settings import load_settings
from servers import SECONDS_TO_START, create_database
from speech_emotion.errors import UserError
from speech_emotion.search.storage import open_storage, open_study, study_states, worker_lock
from speech_emotion.search.study import NUMBER, WORKER
from speech_emotion.steps.search_plan import make_search_plan
from speech_emotion.store.locks import AdvisoryLock

TRIALS, WORKERS = 4, 4
STORAGE = "postgresql://database.example.com/studies"
STEPS_OF_TRIALS = "trial_intermediate_values"  # Optuna's table; a trial writes to it after each inner speaker


@dsl.component(base_image="python", install_kfp_package=False)
def given(folder: str, artifact: Output[Dataset]):
    import shutil

    shutil.copytree(folder, artifact.path)


def _params_text() -> str:
    return json.dumps(yaml.safe_load(Path("params.yaml").read_text()))


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_workplace(tmp_path)()


def test_the_number_of_trials_is_exact_even_if_one_of_four_workers_is_killed(
    workplace, tmp_path, postgres, monkeypatch
):
    database = create_database(postgres, "killed_worker")
    storage = database.replace(f":{urlsplit(database).password}@", "@")
    monkeypatch.setenv("PGPASSWORD", urlsplit(database).password)
    made, workers = make_search_plan(_params_text(), "0", storage, TRIALS, WORKERS, systems=["t2"])
    configure = partial(configured, settings=load_settings(), local=True)
    search = searching(configure)

    @dsl.pipeline(name="of-the-test")
    def pipeline():
        utterances = given(folder=str(tmp_path / "artifacts/ingest"))
        features = given(folder=str(tmp_path / "artifacts/features"))
        search(
            systems=made.systems,
            workers=workers,
            utterances=utterances.outputs["artifact"],
            features=features.outputs["artifact"],
        )

    _all_at_once(monkeypatch)
    monkeypatch.setattr("builtins.print", print)  # kfp replaces it, and its threads may restore the wrong one
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(tmp_path / "root"))
    hunter = _Hunter(database)
    hunter.start()
    pipeline()  # raises if a task fails for good: the killed one was restarted
    hunter.join()
    assert hunter.failure is None and hunter.killed is not None

    (tables,) = (tmp_path / "root").rglob("trials.csv")
    trials = pd.read_csv(tables, dtype={"fold": str})
    assert trials.groupby("fold")["trial"].apply(list).to_dict() == {fold: list(range(TRIALS)) for fold in SPEAKERS}
    assert set(trials["state"]) <= {"complete", "pruned"}
    folder = tables.parent
    assert {path.name for path in folder.iterdir()} >= {"best.json", "steps.csv", "history.png", "importance.png"}
    assert sorted(json.loads((folder / "best.json").read_text())) == list(SPEAKERS)
    kept, _ = open_storage(database)
    states = Counter()
    for name in study_states(kept):
        attempts = open_study(name, kept).get_trials()
        settled = [one.user_attrs[NUMBER] for one in attempts if one.state in (TrialState.COMPLETE, TrialState.PRUNED)]
        assert sorted(settled) == list(range(TRIALS))
        states.update(one.state.name for one in attempts)
    assert states["FAIL"] == 1 and states["RUNNING"] == 0  # the killed worker's trial was tried again


def _all_at_once(monkeypatch):
    """Makes kfp run all workers in parallel, as a cluster does; on one machine it runs two at a time."""
    before = ParallelExecutor.__init__

    def wider(self, max_workers=None):
        before(self)
        self.conservative_max = self.max_workers = WORKERS

    monkeypatch.setattr(ParallelExecutor, "__init__", wider)


class _Hunter(threading.Thread):
    """Kills one of four workers while all of them are in the middle of a trial.

    To keep them there, it blocks the table of trials' steps until one of them is dead.
    """

    def __init__(self, database: str):
        super().__init__(daemon=True)
        self.database, self.killed, self.failure = database, None, None

    def run(self):
        try:
            self._hunt()
        except BaseException as error:
            self.failure = error

    def _hunt(self):
        import psycopg

        open_storage(self.database)  # makes the tables
        with psycopg.connect(self.database) as held, psycopg.connect(self.database, autocommit=True) as asking:
            held.execute(f"LOCK TABLE {STEPS_OF_TRIALS} IN EXCLUSIVE MODE")
            workers = self._await(lambda: _with_a_trial(asking))
            self.killed = _process_of(_port_of(asking, workers[0]))
            self.killed.kill()
            assert not survivors([self.killed])
            held.rollback()

    def _await(self, condition):
        end = time.monotonic() + SECONDS_TO_START
        while not (found := condition()):
            assert time.monotonic() < end, "did not happen in time"
            time.sleep(0.05)
        return found


def _with_a_trial(connection) -> list[int]:
    """The workers that are in the middle of a trial; none until all four are."""
    rows = connection.execute(
        "SELECT a.value_json FROM trial_user_attributes a JOIN trials t USING (trial_id) "
        "WHERE a.key = %s AND t.state = 'RUNNING'",
        (WORKER,),
    ).fetchall()
    workers = sorted({int(value) for (value,) in rows})
    return workers if len(workers) == WORKERS else []


def _port_of(connection, worker: int) -> int:
    """The port from which a worker talks to the server, on the connection that holds its lock."""
    lock = AdvisoryLock(None, worker_lock(worker))
    ((port,),) = connection.execute(
        "SELECT client_port FROM pg_stat_activity WHERE pid = (SELECT pid FROM pg_locks WHERE locktype = 'advisory' "
        "AND granted AND (classid::bigint << 32 | objid::bigint) = %s)",
        (lock.number,),
    ).fetchall()
    return port


def _process_of(port: int) -> psutil.Process:
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # others come and go
            if any(one.laddr and one.laddr.port == port for one in process.net_connections("tcp")):
                return process
    raise AssertionError(f"no process of this run uses port {port}")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"storage": "sqlite"}, "storage = sqlite...: must be postgresql://host/name, which all workers reach"),
        ({"workers": 0}, "workers = 0: must be at least 1"),
        ({"trials": 0}, "tune.trials = 0: must be at least 1"),
        ({"storage": "postgresql://me:pass-word@host/name"}, "storage holds a password, which would be published"),
    ],
)
def test_an_impossible_search_is_refused_before_anything_runs(workplace, changes, message):
    values = {"storage": STORAGE, "trials": 3, "workers": 2, **changes}
    with pytest.raises(UserError) as caught:
        make_search_plan(_params_text(), "0", **values)
    assert message in str(caught.value) and "pass-word" not in str(caught.value)


def test_the_plan_turns_the_search_on_for_every_system(workplace):
    made, numbers = make_search_plan(_params_text(), "0", STORAGE, 7, 3)
    assert numbers == [1, 2, 3]
    for system in made.systems:
        tune = json.loads(system["tune"])["tune"]
        assert (tune["enabled"], tune["trials"], tune["storage"]) == (True, 7, STORAGE)

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from speech_emotion.corpora.splits import Fold
from speech_emotion.params import Feature, Needs, Recipe
from speech_emotion.search import study as module
from speech_emotion.search.study import SearchJob, search
from speech_emotion.store.arrays import ArrayWriter
from speech_emotion.training.fitting import Experiment
from speech_emotion.training.run import Job

IDS = [f"u{n:02d}" for n in range(24)]


@pytest.fixture
def job(tmp_path):
    """A search for T2 on made-up statistics of three classes; the fold's test utterances have no features at all."""
    rng = np.random.default_rng(0)
    with ArrayWriter(tmp_path / "features/plain/statistics") as writer:
        for n, id in enumerate(IDS[:18]):
            writer.add(id, rng.normal(size=6) + 1.5 * (n % 3))
    experiment = Experiment(
        corpus="demo",
        protocol="demo-speakers",
        system="t2",
        needs=Needs(recipe="plain", copies=0, min_seconds=0, features=["statistics"]),
        recipe=Recipe(level="none", denoise="none", vad=False),
        definitions={"statistics": Feature(kind="statistics", of=["energy"])},
        features=tmp_path / "features",
        sample_rate=16000,
        labels=("anger", "neutral", "sadness"),
        targets={id: n % 3 for n, id in enumerate(IDS)},
        max_epochs=1,
        patience=1,
    )
    fold = Fold("01", tuple(IDS[:12]), tuple(IDS[12:18]), tuple(IDS[18:]))
    unit = Job(experiment, fold, 0, {"C": 1.0, "kernel": "linear", "class_weight": "balanced"}, "k" * 64, tmp_path)
    return SearchJob(unit, tmp_path / "t2.db", trials=4, seed=0)


def _study(job):
    return optuna.load_study(study_name=job.name, storage=f"sqlite:///{job.storage}")


def test_a_search_sees_inner_speakers_alone_and_finishes_as_many_trials_as_asked(job):
    found = search(job)
    assert len(found.trials) == 4 and {row["state"] for row in found.trials} <= {"complete", "pruned"}
    assert found.best_ua == max(row["ua"] for row in found.trials)
    assert set(found.best) == {"C", "kernel"}


def test_one_seed_finds_one_thing(job, tmp_path):
    import dataclasses

    assert search(job).trials == search(dataclasses.replace(job, storage=tmp_path / "other.db")).trials


def test_a_finished_search_runs_nothing(job, monkeypatch):
    first = search(job)
    monkeypatch.setattr(module, "_objective", lambda trial, unit: pytest.fail("ran again"))
    assert search(job).trials == first.trials


def test_a_trial_left_by_a_killed_process_is_marked_and_its_params_tried_once_more(job, monkeypatch):
    def killed(trial, unit):
        trial.suggest_float("C", 1e-3, 10.0, log=True)
        trial.suggest_categorical("kernel", ["linear", "rbf"])
        raise KeyboardInterrupt  # ends the process without a word to the storage

    with monkeypatch.context() as patch:
        patch.setattr(module, "_objective", killed)
        with pytest.raises(KeyboardInterrupt):
            search(job)
    dead = _study(job).trials[0]
    found = search(job)
    trials = _study(job).trials
    assert trials[0].state == TrialState.FAIL
    assert sum(trial.params == dead.params for trial in trials[1:]) == 1
    assert len(found.trials) == 4

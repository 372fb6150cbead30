import optuna
import pytest
from optuna.trial import TrialState

from made_up_searches import PARAMS, searches, smooth, untrainable
from speech_emotion.errors import UserError
from speech_emotion.recorder import Recorder
from speech_emotion.search.storage import open_storage, open_study
from speech_emotion.search.study import Slots, claim, next_number, run
from speech_emotion.search.workers import search

QUIET = Recorder(quiet=True)


@pytest.fixture
def job(tmp_path):
    return searches(tmp_path, f"sqlite:///{tmp_path / 't2.db'}", count=1)[0]


@pytest.fixture
def opened(job):
    storage, guard = open_storage(job.url)
    with guard.turn():
        return open_study(job.name, storage), guard


def _search(job, judge=smooth):
    return search([job], 1, QUIET, "", judge)[0]


def _with(job, **params):
    return type(job)(job.job, job.splits, job.params.model_copy(update=params), job.url)


def test_a_search_settles_the_given_number_of_trials_and_finds_the_best(job):
    found = _search(job)
    assert [row["trial"] for row in found.trials] == list(range(6))
    assert {row["state"] for row in found.trials} <= {"complete", "pruned"}
    complete = [row for row in found.trials if row["state"] == "complete"]
    assert found.best_ua == pytest.approx(max(row["ua"] for row in complete), abs=1e-6)
    assert set(found.best) == {"C", "kernel"}


def test_bad_trials_are_pruned(job):
    assert "pruned" in {row["state"] for row in _search(_with(job, trials=12)).trials}


def test_a_search_with_real_trainings_uses_only_inner_speakers(job):
    found = search([job], 1, QUIET, "")[0]  # the test speaker has no features, so reading them would fail
    assert len(found.trials) == 6 and found.best_ua > 0.5


def test_a_finished_search_runs_nothing(job):
    first = _search(job)
    assert _search(job, judge=lambda *args: pytest.fail("ran again")).trials == first.trials


def test_more_trials_continue_the_study_and_fewer_are_its_beginning(job):
    first = _search(job)
    more = _search(_with(job, trials=8))
    assert len(more.trials) == 8 and more.trials[:6] == first.trials
    assert _search(_with(job, trials=2)).trials == first.trials[:2]


@pytest.mark.parametrize("change", [{"seed": 1}, {"batch": 2}, {"prune_p": 0.1}])
def test_other_settings_start_another_study(job, change):
    assert _with(job, **change).name != job.name
    assert _with(job, **change).prefix == job.prefix


def test_another_storage_or_number_of_trials_is_the_same_study(job):
    assert _with(job, trials=40, storage="postgresql://server/studies").name == job.name


def test_another_key_of_the_fold_run_starts_another_study(job):
    unit = job.job
    other = type(unit)(unit.experiment, unit.fold, unit.seed, unit.hyperparameters, "l" * 64, unit.units)
    assert type(job)(other, job.splits, job.params, job.url).name != job.name


def test_a_batch_waits_for_the_previous_one(job, opened):
    study, guard = opened
    with guard.present() as worker:
        claimed = [claim(job, study, worker, guard) for _ in range(3)]
        assert [one.number for one in claimed] == [0, 1, 2]
        assert claim(job, study, worker, guard) is None
        for one in claimed:
            run(job, study, one, smooth)
        assert claim(job, study, worker, guard).number == 3


def test_no_trial_is_claimed_beyond_the_last(job, opened):
    study, guard = opened
    _search(job)
    with guard.present() as worker:
        assert claim(job, study, worker, guard) is None


def test_an_attempt_whose_worker_died_before_the_start_is_used(job, opened):
    study, _ = opened
    study.enqueue_trial({"C": 0.02, "kernel": "linear"}, user_attrs={"number": 0})
    found = _search(job)
    assert len(study.get_trials()) == 6 and len(found.trials) == 6


def test_the_result_of_a_worker_marked_dead_is_dropped(job, opened):
    study, guard = opened
    with guard.present() as worker:
        late = claim(job, study, worker, guard)
    with guard.present() as worker:
        again = claim(job, study, worker, guard)
        assert again.number == late.number == 0 and again.drawn.params == late.drawn.params
        run(job, study, late, smooth)
        assert study.get_trials()[0].state == TrialState.FAIL
        run(job, study, again, smooth)
    assert len(_search(job).trials) == 6


def test_an_interrupted_trial_is_tried_again_however_often(job, opened):
    study, _ = opened

    def interrupted(*args):
        raise KeyboardInterrupt

    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            _search(job, interrupted)
    found = _search(job)
    assert len(found.trials) == 6 and not found.notes
    assert [trial.state for trial in study.get_trials()[:3]] == [TrialState.FAIL] * 3


def test_a_trial_that_cannot_be_trained_is_failed_and_never_the_best(job):
    found = _search(_with(job, trials=9), untrainable)
    failed = [row for row in found.trials if row["state"] == "failed"]
    assert failed and all(row["kernel"] == "rbf" and row["ua"] is None for row in failed)
    assert found.best["kernel"] == "linear" and any("loss = nan" in note for note in found.notes)


def test_a_study_without_a_complete_trial_is_an_error_with_the_reason(job):
    def never(*args):
        raise UserError("loss = nan")

    with pytest.raises(UserError, match=r"(?s)t2 fold a: no trial completed: fix its search space.*loss = nan"):
        _search(job, never)


def test_the_first_of_equal_trials_is_the_best(job):
    assert _search(job, lambda *args: 0.5).best == {"C": 0.02, "kernel": "linear"}


def test_two_kills_settle_a_trial_and_one_does_not():
    def attempts(count):
        study = optuna.create_study()
        for _ in range(count):
            study.enqueue_trial({}, user_attrs={"number": 0})
            study.tell(study.ask(), state=TrialState.FAIL)
        return Slots.of(study)

    assert next_number(attempts(1), PARAMS) == 0 and not attempts(1).settled(0)
    assert next_number(attempts(2), PARAMS) == 1 and attempts(2).settled(0)

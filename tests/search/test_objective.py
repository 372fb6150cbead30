import pytest

from made_up_searches import CONFIGS, folds, searches
from speech_emotion.search import objective as module
from speech_emotion.search.objective import objective, splits_of


def _watched(job, suggested):
    steps = []
    ua = objective(job.job, job.splits, suggested, lambda step, value: steps.append((step, value)))
    return ua, steps


def test_an_estimator_gets_the_mean_over_the_inner_speakers_and_reports_each(tmp_path):
    (job,) = searches(tmp_path, "", count=1)
    ua, steps = _watched(job, {"C": 0.1, "kernel": "linear"})
    assert [step for step, _ in steps] == [0, 1, 2, 3]
    assert ua == pytest.approx(sum(value for _, value in steps) / 4)


def test_a_network_gets_the_ua_of_the_epoch_kept_and_reports_the_best_so_far(tmp_path):
    (job,) = searches(tmp_path, "", "k2", count=1)
    ua, steps = _watched(job, {"learning_rate": 1e-3})
    values = [value for _, value in steps]
    assert [step for step, _ in steps] == [1, 2, 3]
    assert values == sorted(values) and ua == values[-1]


@pytest.mark.parametrize("system", ["t2", "k2"])
def test_no_test_utterance_is_used(tmp_path, system, monkeypatch):
    (job,) = searches(tmp_path, "", system, count=1)
    used = set()
    fit, predict = module.fit_system, module.predict

    def watched_fit(system, experiment, stores, train, valid, *args, **options):
        used.update(train, valid)
        return fit(system, experiment, stores, train, valid, *args, **options)

    def watched_predict(system, experiment, stores, ids):
        used.update(ids)
        return predict(system, experiment, stores, ids)

    monkeypatch.setattr(module, "fit_system", watched_fit)
    monkeypatch.setattr(module, "predict", watched_predict)
    _watched(job, {})
    assert used == {*job.job.fold.train, *job.job.fold.valid}
    assert not used & set(job.job.fold.test)


def test_networks_are_judged_on_their_own_validation_speakers_and_estimators_on_each_inner_one():
    fold = folds()[0]
    assert [split.valid for split in splits_of(CONFIGS["k2"], fold, folds())] == [fold.valid]
    assert len(splits_of(CONFIGS["t2"], fold, folds())) == 4

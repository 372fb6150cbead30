import numpy as np
import optuna
import pytest

from made_up_searches import CONFIGS, PARAMS
from speech_emotion.search.sampling import pruner, sampled, within_space

DEFAULTS = {"C": 0.02, "kernel": "linear", "class_weight": "balanced"}
SPACE = {
    "C": optuna.distributions.FloatDistribution(1e-3, 10.0, log=True),
    "kernel": optuna.distributions.CategoricalDistribution(["linear", "rbf"]),
}


def _trial(value, steps=(), c=0.1, state=optuna.trial.TrialState.COMPLETE):
    return optuna.trial.create_trial(
        state=state,
        value=value,
        params={"C": c, "kernel": "linear"},
        distributions=SPACE,
        intermediate_values=dict(steps),
    )


def _drawn(number, history=(), **params):
    return sampled(CONFIGS["t2"], "01", number, DEFAULTS, list(history), PARAMS.model_copy(update=params))


def test_the_first_trial_tries_the_defaults():
    assert _drawn(0).params == {"C": 0.02, "kernel": "linear"}


@pytest.mark.parametrize("bad", [{"C": 1e3}, {"kernel": "poly"}])
def test_defaults_outside_the_search_space_are_not_tried(bad):
    assert within_space(CONFIGS["t2"], {**DEFAULTS, **bad}) == {}


def test_a_trial_depends_only_on_seed_number_and_history():
    history = [_trial(0.1 * n, c=0.01 * (n + 1)) for n in range(4)]
    assert _drawn(4, history).params == _drawn(4, history).params
    assert _drawn(4, history).params != _drawn(5, history).params
    assert _drawn(4, history).params != _drawn(4, history, seed=1).params


def test_trials_after_the_random_ones_depend_on_the_history():
    good_low = [_trial(value=1 - n / 16, c=10 ** (-3 + 4 * n / 15)) for n in range(16)]
    good_high = [_trial(value=n / 16, c=10 ** (-3 + 4 * n / 15)) for n in range(16)]
    low, high = (
        np.median([_drawn(number, history).params["C"] for number in range(16, 25)])
        for history in (good_low, good_high)
    )
    assert low < high
    few = (_drawn(2, history[:2]).params for history in (good_low, good_high))
    assert len({tuple(params.items()) for params in few}) == 1


def _network(history, values):
    trial = sampled(CONFIGS["k2"], "01", 9, {}, history, PARAMS)
    for epoch, value in enumerate(values, 1):
        trial.report(value, epoch)
    return trial


def test_a_network_below_the_median_is_pruned_but_not_in_its_first_epochs():
    history = [_trial(0.8, enumerate([0.5, 0.7, 0.8], 1)) for _ in range(3)]
    assert not _network(history, [0.1]).should_prune()
    assert _network(history, [0.1, 0.2]).should_prune()
    assert not _network(history, [0.1, 0.9]).should_prune()
    assert not _network(history[:1], [0.1, 0.2]).should_prune()


def test_a_network_is_compared_with_trainings_that_stopped_before_its_epoch():
    stopped = [_trial(0.8, [(1, 0.8), (2, 0.8)]) for _ in range(3)]
    long = _trial(0.2, [(n, 0.2) for n in range(1, 6)])
    assert _network([*stopped, long], [0.3, 0.3, 0.3, 0.3]).should_prune()


def test_an_estimator_worse_than_the_best_on_every_inner_speaker_is_pruned():
    best = _trial(0.8, enumerate([0.9, 0.6, 0.9]))
    easier_speaker_first = sampled(CONFIGS["t2"], "01", 4, DEFAULTS, [best], PARAMS)
    for split, value in enumerate([0.7, 0.4, 0.7]):
        easier_speaker_first.report(value, split)
    assert easier_speaker_first.should_prune()
    equal = sampled(CONFIGS["t2"], "01", 4, DEFAULTS, [best], PARAMS)
    for split, value in enumerate([0.9, 0.6, 0.9]):
        equal.report(value, split)
    assert not equal.should_prune()


def test_the_pruner_depends_on_the_kind_of_system():
    assert isinstance(pruner(CONFIGS["k2"], PARAMS), optuna.pruners.MedianPruner)
    assert isinstance(pruner(CONFIGS["t2"], PARAMS), optuna.pruners.WilcoxonPruner)

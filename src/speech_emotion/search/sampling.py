"""Draws a trial's hyper-parameters and prunes it. Both depend only on its number and on earlier batches.

Trials of a batch use the results of earlier batches, not of each other. So a study has the same trials with any number
of workers, whatever finishes first and even if workers are killed.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import FixedTrial, FrozenTrial, TrialState

from speech_emotion.params import Tune
from speech_emotion.randomness import generator
from speech_emotion.search.objective import by_epoch
from speech_emotion.systems.base import SystemConfig
from speech_emotion.systems.catalogue import system_class


def sampled(
    config: SystemConfig,
    fold: str,
    number: int,
    defaults: Mapping[str, Any],
    history: Sequence[FrozenTrial],
    params: Tune,
) -> optuna.Trial:
    """A trial in a temporary study in memory, with drawn hyper-parameters (`.params`). It also decides about pruning.

    The first trial tries the system's defaults if they are inside its search space. The next ones are random, and the
    rest are drawn by a tree-structured Parzen estimator (Bergstra et al. 2011).

    Args:
        config: the system.
        fold: name of the outer fold.
        number: number of the trial, from 0.
        defaults: the system's hyper-parameters in params.yaml.
        history: finished trials of earlier batches, in order of their numbers.
        params: section `tune` of params.yaml.
    """
    seed = int(generator(params.seed, "trial", config.id, fold, number).integers(2**31))
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=params.random_trials)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner(config, params))
    study.add_trials(_carried_on(history) if by_epoch(config) else history)
    if number == 0 and (values := within_space(config, defaults)):
        study.enqueue_trial(values)
    trial = study.ask()
    system_class(config).search_space(trial)
    return trial


def within_space(config: SystemConfig, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults of the hyper-parameters in a system's search space; empty if one of them is outside it."""
    trial = FixedTrial(dict(defaults))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a number out of range is a warning, an unknown choice an error
            system_class(config).search_space(trial)
    except (ValueError, Warning):
        return {}
    return trial.params


def pruner(config: SystemConfig, params: Tune) -> optuna.pruners.BasePruner:
    """Decides which trials are pruned.

    Networks: trials whose UA so far is below the median of the other trials at the same epoch. Estimators: trials that
    are worse than the best one according to a Wilcoxon signed-rank test over the inner splits.

    Args:
        config: the system.
        params: section `tune` of params.yaml.
    """
    if by_epoch(config):
        return optuna.pruners.MedianPruner(
            n_startup_trials=params.prune_after, n_warmup_steps=params.prune_after_epochs
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.pruners.WilcoxonPruner(p_threshold=params.prune_p, n_startup_steps=params.prune_after_splits)


def _carried_on(history: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Repeats the last value of trials that stopped early, so that not only long trials are compared later."""
    longest = max((max(trial.intermediate_values, default=0) for trial in history), default=0)
    carried = []
    for trial in history:
        values = trial.intermediate_values
        if trial.state == TrialState.COMPLETE and values:
            last = max(values)
            trial = optuna.trial.create_trial(
                state=trial.state,
                value=trial.value,
                params=trial.params,
                distributions=trial.distributions,
                intermediate_values={**values, **dict.fromkeys(range(last + 1, longest + 1), values[last])},
            )
        carried.append(trial)
    return carried

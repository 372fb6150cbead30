"""Which hyper-parameters a trial gets and when it is pruned: both depend only on its number and the batches before it.

Trials of one batch learn from the batches before it and not from each other. So a study has the same trials with one
worker or many, in whatever order they finish, and also if workers are killed.
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
    """A trial in a study of its own in memory, with its hyper-parameters drawn (`.params`); it says when to prune.

    The first one tries the system's defaults, where these lie in its search space. The next are random, then a
    tree-structured Parzen estimator (Bergstra et al. 2011) draws them.

    Args:
        number: of the trial, from 0.
        defaults: the system's hyper-parameters of params.yaml.
        history: finished trials of the batches before, in the order of their numbers.
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
    """The defaults that a system's search space asks for; empty where one of them lies outside it."""
    trial = FixedTrial(dict(defaults))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a number outside its range is a warning, a choice unknown an error
            system_class(config).search_space(trial)
    except (ValueError, Warning):
        return {}
    return trial.params


def pruner(config: SystemConfig, params: Tune) -> optuna.pruners.BasePruner:
    """Which trials are given up early.

    Networks: those whose UA so far lies below the median of the others at the same epoch. Estimators: those that a
    Wilcoxon signed-rank test over the inner splits holds for worse than the best one.
    """
    if by_epoch(config):
        return optuna.pruners.MedianPruner(
            n_startup_trials=params.prune_after, n_warmup_steps=params.prune_after_epochs
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.pruners.WilcoxonPruner(p_threshold=params.prune_p, n_startup_steps=params.prune_after_splits)


def _carried_on(history: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """A training that stopped early keeps its epoch: later ones are compared with it too, not only with long runs."""
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

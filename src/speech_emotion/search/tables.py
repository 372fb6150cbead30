"""Tables of the results of a system's studies: trials, steps, history, importance."""

from collections.abc import Sequence

import numpy as np
import optuna
import pandas as pd
from optuna.trial import TrialState

from speech_emotion.search.study import Found
from speech_emotion.training.units import rounded

TRIALS = ("fold", "trial", "state", "ua")  # then one column for each hyper-parameter
STEPS = ("fold", "trial", "step", "ua")
HISTORY = ("fold", "trial", "best")
IMPORTANCE = ("fold", "parameter", "importance")
FEWEST_TRIALS = 4  # number of complete trials that the random forest needs for importances


def trials_table(founds: Sequence[Found]) -> pd.DataFrame:
    """One row for each trial: fold, trial, state, ua (inner speakers, 0 to 1; if pruned, until then), parameters."""
    rows = [row for found in founds for row in found.trials]
    parameters = sorted({name for row in rows for name in row}.difference(TRIALS))
    return pd.DataFrame(rows, columns=[*TRIALS, *parameters])


def steps_table(founds: Sequence[Found]) -> pd.DataFrame:
    """One row for each step of a trial: fold, trial, step, ua.

    A step is an epoch (from 1, with the UA of the best epoch so far) or an inner split (from 0, with its UA).
    """
    return pd.DataFrame([row for found in founds for row in found.steps], columns=list(STEPS))


def history_table(trials: pd.DataFrame) -> pd.DataFrame:
    """One row for each trial: the best UA of the complete trials so far; empty before the first complete trial.

    Args:
        trials: the table from trials_table().
    """
    complete = trials["ua"].astype(float).where(trials["state"] == "complete")
    best = complete.groupby(trials["fold"], sort=False).transform(lambda values: values.ffill().cummax())
    return trials[["fold", "trial"]].assign(best=best)[list(HISTORY)]


def importance_table(founds: Sequence[Found], seed: int) -> pd.DataFrame:
    """Share of the trials' variance that each parameter explains, for each fold (fANOVA, Hutter et al. 2014).

    Folds with fewer than four complete trials, or with the same UA in all trials, are left out.

    Args:
        founds: the results of the system's studies.
        seed: seed of the random forest.
    """
    rows = []
    for found in founds:
        complete = [trial for trial in found.finished if trial.state == TrialState.COMPLETE]
        if len(complete) < FEWEST_TRIALS or np.ptp([trial.value for trial in complete]) == 0:
            continue
        study = optuna.create_study(direction="maximize")
        study.add_trials(complete)
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
        shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
        rows += [
            {"fold": found.fold, "parameter": name, "importance": rounded(share)}
            for name, share in sorted(shares.items())
        ]
    return pd.DataFrame(rows, columns=list(IMPORTANCE))

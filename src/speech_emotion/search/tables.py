"""What the studies of a system say, as tables: trials, steps, history, importance."""

from collections.abc import Sequence

import numpy as np
import optuna
import pandas as pd
from optuna.trial import TrialState

from speech_emotion.search.study import Found
from speech_emotion.training.units import rounded

TRIALS = ("fold", "trial", "state", "ua")  # then one column a hyper-parameter
STEPS = ("fold", "trial", "step", "ua")
HISTORY = ("fold", "trial", "best")
IMPORTANCE = ("fold", "parameter", "importance")
FEWEST_TRIALS = 4  # complete ones, for an importance: the forest splits them


def trials_table(founds: Sequence[Found]) -> pd.DataFrame:
    """One row a trial: fold, trial, state, ua (inner speakers, 0 to 1; of a pruned trial until then), parameters."""
    rows = [row for found in founds for row in found.trials]
    parameters = sorted({name for row in rows for name in row}.difference(TRIALS))
    return pd.DataFrame(rows, columns=[*TRIALS, *parameters])


def steps_table(founds: Sequence[Found]) -> pd.DataFrame:
    """One row a step of a trial: an epoch (from 1; UA of the epoch kept so far) or an inner split (from 0; its UA)."""
    return pd.DataFrame([row for found in founds for row in found.steps], columns=list(STEPS))


def history_table(trials: pd.DataFrame) -> pd.DataFrame:
    """One row a trial: the best UA of the complete trials up to it; empty before the first."""
    complete = trials["ua"].astype(float).where(trials["state"] == "complete")
    best = complete.groupby(trials["fold"], sort=False).transform(lambda values: values.ffill().cummax())
    return trials[["fold", "trial"]].assign(best=best)[list(HISTORY)]


def importance_table(founds: Sequence[Found], seed: int) -> pd.DataFrame:
    """Share of the trials' variance that each parameter explains, by fold (fANOVA, Hutter et al. 2014).

    Folds with fewer than four complete trials, or whose trials are all alike, are left out.
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

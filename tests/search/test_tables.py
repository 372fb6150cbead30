import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState

from speech_emotion.search.figures import history_plot, importance_plot
from speech_emotion.search.study import Found
from speech_emotion.search.tables import history_table, importance_table, steps_table, trials_table


def _found(fold="a", uas=(0.4, 0.6, 0.5, 0.8, 0.7, 0.3)):
    rows, finished = [], []
    for number, ua in enumerate(uas):
        params = {"C": ua, "kernel": ("linear", "rbf")[number % 2]}
        rows.append({"fold": fold, "trial": number, "state": "complete", "ua": ua, **params})
        finished.append(
            optuna.trial.create_trial(
                state=TrialState.COMPLETE,
                value=ua,
                params=params,
                distributions={
                    "C": optuna.distributions.FloatDistribution(0, 1),
                    "kernel": optuna.distributions.CategoricalDistribution(["linear", "rbf"]),
                },
            )
        )
    steps = [{"fold": fold, "trial": 0, "step": 1, "ua": 0.4}]
    return Found(fold, {"C": 0.8}, 0.8, rows, steps, finished, [])


def test_empty_tables_of_trials_and_steps_have_all_columns_in_order():
    assert list(trials_table([_found()]).columns) == ["fold", "trial", "state", "ua", "C", "kernel"]
    assert list(trials_table([]).columns) == ["fold", "trial", "state", "ua"]
    assert list(steps_table([]).columns) == ["fold", "trial", "step", "ua"]
    assert len(steps_table([_found("a"), _found("b")])) == 2


def test_history_is_the_best_complete_trial_so_far_of_each_fold():
    trials = trials_table([_found("a"), _found("b", (0.2, 0.1))])
    trials.loc[trials["trial"] == 3, "state"] = "pruned"
    history = history_table(trials)
    assert history[history["fold"] == "a"]["best"].tolist() == [0.4, 0.6, 0.6, 0.6, 0.7, 0.7]
    assert history[history["fold"] == "b"]["best"].tolist() == [0.2, 0.2]


def test_history_is_empty_before_the_first_complete_trial():
    trials = trials_table([_found()])
    trials.loc[trials["trial"] == 0, ["state", "ua"]] = ["failed", None]
    assert history_table(trials)["best"].isna().tolist() == [True, False, False, False, False, False]


def test_history_without_trials_has_no_rows():
    assert list(history_table(trials_table([])).columns) == ["fold", "trial", "best"]


def test_the_decisive_parameter_has_the_largest_importance():
    table = importance_table([_found()], seed=0).set_index("parameter")["importance"]
    assert table["C"] > table["kernel"] and table.sum() == pytest.approx(1, abs=1e-5)


def test_folds_with_too_few_or_equal_trials_have_no_importance():
    assert importance_table([_found(uas=(0.1, 0.2)), _found(uas=(0.5,) * 6)], seed=0).empty


def test_the_same_seed_gives_the_same_importance():
    pd.testing.assert_frame_equal(importance_table([_found()], 0), importance_table([_found()], 0))


def test_figures_are_the_same_bytes_each_time(tmp_path):
    trials = trials_table([_found("a"), _found("b")])
    importance = importance_table([_found("a"), _found("b")], seed=0)
    for name in ("one", "two"):
        history_plot(tmp_path / f"history-{name}.png", trials, history_table(trials), "T2")
        importance_plot(tmp_path / f"importance-{name}.png", importance, "T2")
    for kind in ("history", "importance"):
        first, second = ((tmp_path / f"{kind}-{name}.png").read_bytes() for name in ("one", "two"))
        assert first == second and first.startswith(b"\x89PNG")


def test_a_figure_without_importances_is_written(tmp_path):
    importance_plot(tmp_path / "importance.png", importance_table([], seed=0), "T2")
    assert (tmp_path / "importance.png").stat().st_size > 1000

"""Figures of a system's search. The same tables give the same bytes."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from speech_emotion.reporting.figures import COLOURS, DPI, STYLE


def history_plot(path: Path, trials: pd.DataFrame, history: pd.DataFrame, title: str) -> None:
    """Plots the best UA so far by trial: thin lines are folds, the thick line is their mean, dots are trials.

    Args:
        path: PNG file to write.
        trials: the table from trials_table(); pruned trials get hollow dots.
        history: the table from history_table().
        title: name of the system in the title.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(8, 4.2), layout="constrained")
        axes = figure.add_subplot()
        dots = {"complete": (COLOURS[0], "complete trial"), "pruned": ("none", "pruned trial, until then")}
        for state, (colour, label) in dots.items():
            rows = trials[trials["state"] == state]
            axes.scatter(
                rows["trial"], 100 * rows["ua"], s=14, color=colour, edgecolor=COLOURS[0], alpha=0.5, label=label
            )
        best = 100 * history.pivot_table(index="trial", columns="fold", values="best", dropna=False)
        axes.plot(best.index, best, color=COLOURS[1], linewidth=0.7, alpha=0.5)
        axes.plot(best.index, best.mean(axis=1), color=COLOURS[1], linewidth=2.5, label="best so far, mean over folds")
        axes.set_xlabel("trial")
        axes.set_ylabel("UA of inner speakers (%)")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(axis="y")
        figure.legend(loc="outside lower center", ncols=3)
        _finish(figure, axes, f"{title}: search by trial", path)


def importance_plot(path: Path, importance: pd.DataFrame, title: str) -> None:
    """Plots the share of the trials' variance that each parameter explains: mean over folds, one dot for each fold.

    Args:
        path: PNG file to write.
        importance: the table from importance_table().
        title: name of the system in the title.
    """
    means = importance.groupby("parameter")["importance"].mean().sort_values()
    with rc_context(STYLE):
        figure = Figure(figsize=(8, 1.6 + 0.5 * max(1, len(means))), layout="constrained")
        axes = figure.add_subplot()
        axes.barh(np.arange(len(means)), means, height=0.6, color=COLOURS[4])
        for place, parameter in enumerate(means.index):
            values = importance.loc[importance["parameter"] == parameter, "importance"]
            axes.plot(values, np.full(len(values), place), "o", color=COLOURS[0], alpha=0.6, markersize=4)
        axes.set_yticks(np.arange(len(means)), list(means.index))
        axes.set_xlim(0, 1)
        axes.set_xlabel("importance (share of variance, fANOVA); dots are folds")
        axes.tick_params(axis="y", length=0)
        if means.empty:
            axes.text(0.5, 0.5, "too few different complete trials", transform=axes.transAxes, ha="center")
        _finish(figure, axes, f"{title}: importance of hyper-parameters", path)


def _finish(figure: Figure, axes: Axes, title: str, path: Path) -> None:
    axes.set_title(title, fontweight="bold")
    figure.savefig(path, format="png", dpi=DPI, metadata={"Software": None})

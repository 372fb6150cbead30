"""Pictures of the results. The same results give the same bytes: they contain no date and no version."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from speech_emotion.evaluation.metrics import confusion
from speech_emotion.evaluation.results import SystemResult

# Okabe & Ito 2008: colour-blind people can distinguish them too
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999", "#F0E442")
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.labelcolor": "#333333",
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.8,
    "xtick.color": "#333333",
    "ytick.color": "#333333",
    "legend.frameon": False,
    "legend.fontsize": 9,
}
DPI = 120


def confusion_matrix(path: Path, result: SystemResult, setting: str) -> None:
    """Draws a confusion matrix. Rows are the true emotions; cells show percent of the row and, below, counts.

    Args:
        path: PNG to write.
        result: the system's checked results; all folds and seeds are pooled.
        setting: second line of the title, as Setting.line in reporting.report.
    """
    labels = result.labels
    counts = confusion(result.truth, result.predicted, len(labels))
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(100.0 * counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    with rc_context(STYLE):
        side = 2.4 + 0.72 * len(labels)
        figure = Figure(figsize=(side + 0.9, side), layout="constrained")
        axes = figure.add_subplot()
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
        for row, column in np.ndindex(counts.shape):
            if counts[row, column]:
                colour = "white" if shares[row, column] > 55 else "#222222"
                axes.text(column, row - 0.12, f"{shares[row, column]:.0f}", ha="center", va="center", color=colour)
                axes.text(
                    column,
                    row + 0.26,
                    f"{counts[row, column]}",
                    ha="center",
                    va="center",
                    color=colour,
                    fontsize=7,
                    alpha=0.8,
                )
        axes.set_xticks(range(len(labels)), labels, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(
            range(len(labels)),
            [f"{label} ({total})" for label, total in zip(labels, totals[:, 0], strict=True)],
        )
        axes.set_xlabel("predicted")
        axes.set_ylabel("actual (utterances)" if len(result.units.seeds) == 1 else "actual (utterances x seeds)")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xticks(np.arange(len(labels) + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(len(labels) + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=1.5)
        axes.tick_params(which="minor", length=0)
        bar = figure.colorbar(image, ax=axes, shrink=0.75, label="% of the actual emotion")
        bar.outline.set_visible(False)
        _title(axes, result.units.title, setting)
        _save(figure, path)


def learning_curves(path: Path, result: SystemResult, setting: str) -> bool:
    """Draws loss and validation UA by epoch: a thin line for each fold and seed, a thick one for their mean.

    The mean is over the trainings that reached the epoch, and ends when fewer than half of them did: with early
    stopping only the slow ones remain.

    Args:
        path: PNG to write.
        result: the system's checked results.
        setting: second line of the title.

    Returns:
        False for a system that does not train by epochs; no file is written.
    """
    curves = result.curves
    if curves.empty:
        return False
    with rc_context(STYLE):
        figure = Figure(figsize=(10, 4), layout="constrained")
        left, right = figure.subplots(1, 2)
        _curves(left, curves, "loss", COLOURS[0], "training", 1.0)
        _curves(left, curves, "valid_loss", COLOURS[1], "validation (inner speakers)", 1.0)
        left.set_ylim(bottom=0)
        left.set_ylabel("loss")
        _curves(right, curves, "valid_ua", COLOURS[1], None, 100.0)
        right.axhline(100 / len(result.labels), color="#888888", linestyle=":", linewidth=1.4, label="chance")
        right.set_ylim(0, 100)
        right.set_ylabel("UA (%)")
        runs = curves.groupby(["fold", "seed"]).ngroups
        for axes in (left, right):
            axes.set_xlabel("epoch")
            axes.grid(axis="y")
            axes.xaxis.get_major_locator().set_params(integer=True)
        right.plot([], [], color="#888888", linewidth=0.7, label=f"one run of {runs} (folds x seeds)")
        right.plot([], [], color="#888888", linewidth=2.5, label="mean")
        figure.legend(loc="outside lower center", ncols=5)
        _title(left, result.units.title, setting, wide=True)
        _save(figure, path)
    return True


def comparison_bars(path: Path, results: Sequence[SystemResult], metrics: Mapping[str, Any], setting: str) -> None:
    """Draws UA, with its bootstrap interval, and WA of every system, best UA on top.

    Args:
        path: PNG to write.
        results: checked results, one for each system.
        metrics: system -> figures, as evaluation.scoring.score() returns them.
        setting: second line of the title.
    """
    ordered = sorted(results, key=lambda result: (metrics[result.system]["ua"], result.system))
    figures = [metrics[result.system] for result in ordered]
    places = np.arange(len(ordered))
    ua = np.array([one["ua"] for one in figures])
    low, high = (np.array([one.get(key, np.nan) for one in figures]) for key in ("ua_low", "ua_high"))
    wa = np.array([one["wa"] for one in figures])
    with rc_context(STYLE):
        figure = Figure(figsize=(9, 1.7 + 0.62 * len(ordered)), layout="constrained")
        axes = figure.add_subplot()
        # a percentile interval need not contain the estimate: avoid negative whiskers
        whiskers = np.maximum(np.vstack([ua - low, high - ua]), 0)
        axes.barh(places, ua, height=0.6, color=COLOURS[0], label="UA")
        interval = {"fmt": "none", "ecolor": "#222222", "elinewidth": 1.4, "capsize": 4}
        axes.errorbar(ua, places, xerr=whiskers, **interval, label="interval of UA over speakers")
        # below the whiskers, so as not to hide them if UA and WA are close
        axes.plot(wa, places - 0.3, "D", color=COLOURS[1], markeredgecolor="white", markersize=8, label="WA")
        axes.axvline(100 / len(results[0].labels), color="#888888", linestyle=":", linewidth=1.4, label="chance")
        for place, value in zip(places, ua, strict=True):
            axes.text(1.5, place, f"{value:.1f}", va="center", color="white", fontweight="bold")
        axes.set_yticks(places, [result.units.title for result in ordered])
        axes.set_xlim(0, 100)
        axes.set_xlabel("%")
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
        figure.legend(loc="outside lower center", ncols=4)
        _title(axes, "Systems by unweighted average recall", setting)
        _save(figure, path)


def recall_bars(path: Path, results: Sequence[SystemResult], metrics: Mapping[str, Any], setting: str) -> None:
    """Draws the recall of each emotion for each system; arguments as of comparison_bars()."""
    labels = [label for label in results[0].labels if label in metrics[results[0].system]["per_class"]]
    width = 0.8 / len(results)
    with rc_context(STYLE):
        figure = Figure(figsize=(max(7.0, 1.5 + len(labels) * (0.5 + 0.16 * len(results))), 4.2), layout="constrained")
        axes = figure.add_subplot()
        for index, result in enumerate(results):
            recalls = [metrics[result.system]["per_class"][label]["recall"] for label in labels]
            places = np.arange(len(labels)) + (index - (len(results) - 1) / 2) * width
            axes.bar(
                places,
                recalls,
                width=0.92 * width,
                color=COLOURS[index % len(COLOURS)],
                hatch=(None, "//", "..", "xx")[index // len(COLOURS) % 4],
                edgecolor="white",
                linewidth=0,
                label=result.units.title,
            )
        axes.axhline(100 / len(results[0].labels), color="#888888", linestyle=":", linewidth=1.4, label="chance")
        axes.set_xticks(range(len(labels)), labels)
        axes.tick_params(axis="x", length=0)
        axes.set_ylim(0, 100)
        axes.set_ylabel("recall (%)")
        axes.grid(axis="y")
        figure.legend(loc="outside lower center", ncols=min(3, len(results) + 1))
        _title(axes, "Recall of each emotion", setting)
        _save(figure, path)


def _curves(axes: Axes, curves: pd.DataFrame, column: str, colour: str, label: str | None, scale: float) -> None:
    table = scale * curves.pivot_table(index="epoch", columns=["fold", "seed"], values=column, dropna=False)
    table = table.dropna(axis=0, how="all")
    if table.empty:
        return
    axes.plot(table.index, table, color=colour, linewidth=0.7, alpha=0.3)
    enough = table.notna().sum(axis=1) >= table.shape[1] / 2
    mean = table.mean(axis=1)[enough]
    axes.plot(mean.index, mean, color=colour, linewidth=2.5, label=label)


def _title(axes: Axes, title: str, setting: str, wide: bool = False) -> None:
    axes.set_title(title, fontweight="bold", pad=25)
    below = {"xycoords": "axes fraction", "xytext": (0, 10), "textcoords": "offset points"}
    line = axes.annotate(setting, (0, 1), **below, fontsize=9, color="#555555")
    line.set_in_layout(not wide)  # with several axes it may extend past the first one


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png", dpi=DPI, metadata={"Software": None})

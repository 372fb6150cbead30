"""The descriptions on the pages of runs, in Markdown."""

from collections.abc import Mapping
from typing import Any

from speech_emotion.evaluation.metrics import METRICS, PRIMARY, headline
from speech_emotion.reporting.rendering import render
from speech_emotion.tracking.entries import Dataset


def of_system(units: Mapping[str, Any], metrics: Mapping[str, Any], tags: Mapping[str, str], dataset: Dataset) -> str:
    """A system's page: what was measured, the figures with their standard deviations, how they were measured.

    Args:
        units: units.json.
        metrics: of the system, as in metrics.json.
        tags: of the run.
        dataset: of the run.
    """
    values = {
        "shown": [metric for metric in headline() if metric.percent or metric.key in metrics],
        "primary": PRIMARY,
        "percents": [metric.key for metric in METRICS.values() if metric.percent],
        "shares": [metric.key for metric in METRICS.values() if not metric.percent],
    }
    return render("note-system.md.j2", **values, units=units, metrics=metrics, tags=tags, dataset=dataset)


def of_comparison(metrics: Mapping[str, Any], tags: Mapping[str, str], dataset: Dataset) -> str:
    """The page that compares all systems, best UA first.

    Args:
        metrics: metrics.json.
        tags: of the run.
        dataset: of the run.
    """
    systems = sorted(metrics.items(), key=lambda item: -item[1][PRIMARY])
    return render("note-comparison.md.j2", systems=systems, columns=headline(), tags=tags, dataset=dataset)


def of_model(
    bundle: Mapping[str, Any],
    metrics: Mapping[str, Any],
    check: Mapping[str, Any],
    tags: Mapping[str, str],
    dataset: Dataset,
) -> str:
    """The page of the exported model: what it is, its figures and their origin, how well its forms agree.

    Args:
        bundle: bundle.json.
        metrics: of the system, as in metrics.json.
        check: check.json.
        tags: of the run.
        dataset: of the run.
    """
    difference, agreement = check["fp32"].get("max_difference"), check["int8"].get("agreement")
    values = {"bundle": bundle, "metrics": metrics, "difference": difference, "agreement": agreement}
    return render("note-model.md.j2", **values, tags=tags, dataset=dataset)

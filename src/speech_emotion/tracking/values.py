"""Figures, params and curves in the forms that a tracking store takes."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

CURVES = ("loss", "valid_loss", "valid_ua")


def curves_of(rows: pd.DataFrame) -> dict[str, list[tuple[int, float]]]:
    """Curve -> its points (epoch from 1, value); leaves out values that are not finite (an epoch without validation).

    Args:
        rows: one row for each epoch of one training, columns epoch and CURVES.
    """
    found = {}
    for name in CURVES:
        points = [(int(epoch), float(value)) for epoch, value in zip(rows["epoch"], rows[name], strict=True)]
        if points := [point for point in points if math.isfinite(point[1])]:
            found[name] = points
    return found


def mean_curves(curves: pd.DataFrame) -> dict[str, list[tuple[int, float]]]:
    """Mean curves over the units that reached each epoch, and the number of these units as `units_in_mean`.

    With early stopping, only the slow units reach the last epochs.

    Args:
        curves: one row for each unit and epoch, columns epoch and CURVES.
    """
    by_epoch = curves.groupby("epoch", as_index=False)
    found = curves_of(by_epoch[list(CURVES)].mean())
    if found:
        sizes = by_epoch.size()
        found["units_in_mean"] = [(int(epoch), float(size)) for epoch, size in sizes.itertuples(index=False)]
    return found


def flat(value: Any, prefix: str) -> dict[str, Any]:
    """Nested objects as one object with dotted names; lists as words separated by blanks.

    Args:
        value: objects, lists and scalars.
        prefix: of the names; required if `value` is not an object.
    """
    if isinstance(value, Mapping):
        parts = [flat(inner, f"{prefix}.{name}" if prefix else str(name)) for name, inner in value.items()]
        return {name: inner for part in parts for name, inner in part.items()}
    return {prefix: " ".join(map(str, value)) if isinstance(value, list | tuple) else value}


def figures_of(metrics: Mapping[str, Any]) -> dict[str, float]:
    """A system's figures; those of classes are named <figure>/<label>, so that charts show the emotions side by side.

    Args:
        metrics: of the system, as in metrics.json.
    """
    found = numbers({name: value for name, value in metrics.items() if name != "per_class"})
    by_label = metrics.get("per_class", {})
    return found | {
        f"{figure}/{label}": float(own[figure])
        for figure in ("recall", "precision", "f1")
        for label, own in by_label.items()
        if figure in own
    }


def numbers(values: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """The finite numbers among nested values, with names joined by slashes."""
    found: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= numbers(value, f"{prefix}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            found[f"{prefix}{name}"] = float(value)
    return found

"""Chooses one set of hyper-parameters for the shipped model from the sets found for the folds."""

import json
from collections.abc import Mapping, Sequence
from typing import Any


def central(found: Sequence[Mapping[str, Any]]) -> int:
    """Index of the set with the smallest sum of distances to all sets; the first one if several are equal.

    This set was really tried, unlike a set of separate medians. The distance between two sets is a sum over the
    hyper-parameters. For a number it is the difference between its ranks among all sets, scaled to 0 to 1, so unit and
    scale do not matter; for anything else it is 0 if the values are equal and 1 if not. The UA on inner speakers does
    not count: folds are judged on different speakers, so the highest UA only shows which speakers are easiest.

    Args:
        found: one set for each fold or fold run, all with the same names; at least one set.
    """
    columns = [_places([one[name] for one in found]) for name in found[0]]

    def distance(one: int, other: int) -> float:
        return sum(_apart(column[one], column[other]) for column in columns)

    sums = [round(sum(distance(one, other) for other in range(len(found))), 9) for one in range(len(found))]
    return sums.index(min(sums))


def _apart(one: float | str, other: float | str) -> float:
    return float(one != other) if isinstance(one, str) else abs(one - other)


def _places(values: Sequence[Any]) -> list[float] | list[str]:
    """For numbers, ranks from 0 to 1 (the same for equal numbers); for anything else, the values as JSON text."""
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
        return [json.dumps(value, sort_keys=True) for value in values]
    different = sorted(set(values))
    return [different.index(value) / max(1, len(different) - 1) for value in values]

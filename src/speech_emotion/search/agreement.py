"""One set of hyper-parameters for the model that ships, where the folds' searches found several."""

import json
from collections.abc import Mapping, Sequence
from typing import Any


def central(found: Sequence[Mapping[str, Any]]) -> int:
    """Index of the set that lies nearest to all sets together; of equally near ones the first.

    It is a set that was tried as it stands, which medians taken one by one need not be. The distance of two sets is
    the sum over their hyper-parameters: of a number the difference of ranks among all sets, 0 to 1, so that neither
    its unit nor a logarithm matters; of anything else 0 where both are equal, else 1. How well a set did on inner
    speakers does not count: folds judge on different speakers, so that the highest UA names the easiest of these.

    Args:
        found: one set a fold or unit, all with the same names; at least one.
    """
    columns = [_places([one[name] for one in found]) for name in found[0]]

    def distance(one: int, other: int) -> float:
        return sum(_apart(column[one], column[other]) for column in columns)

    sums = [round(sum(distance(one, other) for other in range(len(found))), 9) for one in range(len(found))]
    return sums.index(min(sums))


def _apart(one: float | str, other: float | str) -> float:
    return float(one != other) if isinstance(one, str) else abs(one - other)


def _places(values: Sequence[Any]) -> list[float] | list[str]:
    """Ranks from 0 to 1 of numbers, equal ones alike; the text of anything else."""
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
        return [json.dumps(value, sort_keys=True) for value in values]
    different = sorted(set(values))
    return [different.index(value) / max(1, len(different) - 1) for value in values]

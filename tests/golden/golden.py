"""Compares results with committed values, so that no result changes without a raised version.

`GOLDEN_WRITE=1 python -m pytest tests/golden` writes the values of new cases and of cases whose version was raised. It
never overwrites values of the same version.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent
WRITE = bool(os.environ.get("GOLDEN_WRITE"))
DIGITS = 7


def check(group: str, case: str, version: Any, values: np.ndarray, tolerance: float, to_raise: str) -> None:
    """Compares values with those in tests/golden/<group>/<case>.json.

    Args:
        group: name of the folder.
        case: name of the file.
        version: JSON value that contains every version on which the values depend.
        values: results of any shape; must be finite.
        tolerance: absolute for committed values of magnitude below 1, relative for larger ones.
        to_raise: which version has to be raised if the change is intended.
    """
    path = FOLDER / group / f"{case}.json"
    values = np.asarray(values, dtype=np.float64)
    assert np.isfinite(values).all(), f"{case}: values are not finite"
    if not path.exists():
        assert WRITE, f"{path}: is not there: write it with GOLDEN_WRITE=1"
    else:
        record = json.loads(path.read_text())
        if record["version"] == version:
            _compare(case, values, np.asarray(record["values"]), tolerance, to_raise)
            return
        assert WRITE, f"{case}: version {record['version']} is now {version}: write its values with GOLDEN_WRITE=1"
    path.parent.mkdir(exist_ok=True)
    rows = values.reshape(len(values), -1).tolist() if values.ndim > 1 else [values.tolist()]
    lines = ",\n".join(" " + json.dumps([float(f"{value:.{DIGITS}g}") for value in row]) for row in rows)
    path.write_text(f'{{"version": {json.dumps(version)}, "values": [\n{lines}\n]}}\n')


def _compare(case: str, values: np.ndarray, known: np.ndarray, tolerance: float, to_raise: str) -> None:
    cure = f"if this is intended, raise {to_raise} and write the values with GOLDEN_WRITE=1"
    assert values.size == known.size, f"{case}: {values.size} values instead of {known.size}: {cure}"
    off = np.abs(values.ravel() - known.ravel()) / np.maximum(1.0, np.abs(known.ravel()))
    assert off.max() <= tolerance, (
        f"{case}: {np.mean(off > tolerance):.1%} of the values changed, by up to {off.max():.2g}: {cure}"
    )

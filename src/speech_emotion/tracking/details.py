"""Artifacts made for the runs in addition to the steps' files: tables of predictions, and pictures of each unit."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from speech_emotion.evaluation.results import SystemResult, read_result
from speech_emotion.reporting.figures import confusion_matrix

Writer = Callable[[Path], None]


def table_writer(folder: Path, fold: str | None = None, seed: int | None = None) -> Writer:
    """Returns what writes the predictions of a system or of one unit as the table that MLflow's pages show.

    Args:
        folder: the system's folder, as written by step train.
        fold: of the unit; None for the whole system.
        seed: of the unit; None for the whole system.
    """

    def write(path: Path) -> None:
        result = _result(folder, fold, seed)
        table = result.predictions.drop(columns=["corpus", "protocol", "system"])
        table.insert(table.columns.get_loc("predicted") + 1, "right", result.truth == result.predicted)
        table.insert(table.columns.get_loc("right") + 1, "confidence", result.confidence)
        table.to_json(path, orient="split", index=False, double_precision=4)

    return write


def parquet_writer(folder: Path, fold: str, seed: int) -> Writer:
    """Returns what writes one unit's rows of predictions.parquet; arguments as of table_writer()."""
    return lambda path: _result(folder, fold, seed).predictions.to_parquet(path, index=False)


def confusion_writer(folder: Path, fold: str, seed: int) -> Writer:
    """Returns what draws one unit's confusion matrix; arguments as of table_writer()."""

    def write(path: Path) -> None:
        result = _result(folder, fold, seed)
        units = result.units
        kind = "speaker-independent" if units.speaker_independent else "speaker-dependent"
        confusion_matrix(path, result, f"{units.corpus} · {units.protocol} ({kind}) · fold {fold} · seed {seed}")

    return write


def _result(folder: Path, fold: str | None, seed: int | None) -> SystemResult:
    result = _read(folder, (folder / "predictions.parquet").stat().st_mtime_ns)
    if fold is None:
        return result
    rows = result.predictions
    own: pd.DataFrame = rows[(rows["fold"] == fold) & (rows["seed"] == seed)].reset_index(drop=True)
    units = result.units.model_copy(update={"seeds": [seed], "folds": 1})
    return dataclasses.replace(result, predictions=own, units=units)


@functools.lru_cache(maxsize=1)  # the units of a system are written one after the other
def _read(folder: Path, changed: int) -> SystemResult:
    return read_result(folder, folder.name)

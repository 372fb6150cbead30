"""Reads the files that training wrote for a system: predictions, curves and facts. Checks them before they are used."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ConfigDict

from speech_emotion.errors import UserError
from speech_emotion.params import CPU, Budget
from speech_emotion.sections import Section, check

COLUMNS = ("corpus", "protocol", "system", "fold", "seed", "id", "speaker", "emotion", "predicted")
CURVES = ("system", "fold", "seed", "epoch", "loss", "valid_loss", "valid_ua")
SUM_TOLERANCE = 1e-3  # for float32 probabilities averaged over windows the error is far smaller


class Units(Section):
    """Facts about a system from units.json; evaluation ignores its other keys (units, hyperparameters)."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    corpus: str
    protocol: str
    speaker_independent: bool
    labels: list[str]
    system: str
    title: str
    paper: str
    not_deployable: str  # why the system cannot go to the device; empty if it can
    parameters: int | None = None
    seeds: list[int]
    folds: int
    devices: tuple[str, ...] = (CPU,)  # where the units were trained


@dataclass(frozen=True)
class SystemResult:
    """A system's checked results.

    Attributes:
        system: its id.
        units: facts from units.json.
        predictions: one row for each seed, fold and tested utterance, sorted by seed, fold, id; columns COLUMNS and
            p_<label> in the labels' order.
        curves: one row for each seed, fold and epoch, columns CURVES; no rows for systems that do not train by epochs.
    """

    system: str
    units: Units
    predictions: pd.DataFrame
    curves: pd.DataFrame

    @property
    def labels(self) -> tuple[str, ...]:
        """The protocol's labels, in its order."""
        return tuple(self.units.labels)

    @cached_property
    def truth(self) -> np.ndarray:
        """(rows,) codes into labels."""
        return _codes(self.predictions["emotion"], self.labels)

    @cached_property
    def predicted(self) -> np.ndarray:
        """(rows,) codes into labels."""
        return _codes(self.predictions["predicted"], self.labels)

    @cached_property
    def probabilities(self) -> np.ndarray:
        """(rows, labels) float64."""
        return self.predictions[[f"p_{label}" for label in self.labels]].to_numpy(dtype=float)

    @cached_property
    def confidence(self) -> np.ndarray:
        """(rows,) probability of the predicted label."""
        return self.probabilities[np.arange(len(self.predicted)), self.predicted]


def read_results(
    folder: Path, corpus: str, systems: Sequence[str], budget: Budget, utterances: pd.DataFrame
) -> list[SystemResult]:
    """Reads and checks the results of several systems, in the given order.

    Args:
        folder: holds one folder for each system.
        corpus: name of the current corpus.
        systems: ids of the systems.
        budget: the budget of that corpus.
        utterances: the table of utterances that the predictions must match.

    Raises:
        UserError: a folder or file is missing; a system was trained on another corpus, protocol, label list
            or seeds than the budget asks for; predictions are duplicated, incomplete or not normalised, or
            belong to utterances that are not in the table.
    """
    results = [read_result(folder / system, system) for system in systems]
    for result in results:
        _fits_budget(result, corpus, budget)
        _fits_table(result, utterances)
        first = results[0]
        if result.labels != first.labels:
            raise UserError(
                f"{result.system}: labels = {', '.join(result.labels)}: {first.system} has {', '.join(first.labels)}: "
                f"train both on protocol {budget.protocol} (dvc repro)"
            )
        if result.units.speaker_independent != first.units.speaker_independent:
            raise UserError(
                f"{result.system}: speaker_independent = {result.units.speaker_independent}: {first.system} has "
                f"{first.units.speaker_independent}: train both on protocol {budget.protocol} (dvc repro)"
            )
    return results


def read_result(folder: Path, system: str) -> SystemResult:
    """Reads one system's folder (predictions.parquet, curves.csv, units.json).

    Args:
        folder: the system's folder.
        system: id of the system.

    Raises:
        UserError: a file is missing, cannot be read, or holds invalid predictions.
    """
    cure = f"run the train step for {system} (dvc repro)"
    if not folder.is_dir():
        raise UserError(f"{folder}: no results of system {system}: {cure}")
    for name in ("predictions.parquet", "curves.csv", "units.json"):
        if not (folder / name).is_file():
            raise UserError(f"{folder / name}: no such file: {cure}")
    try:
        units = check(
            Units, json.loads((folder / "units.json").read_text(encoding="utf-8")), str(folder / "units.json")
        )
    except ValueError as error:
        raise UserError(f"{folder / 'units.json'}: not JSON ({error}): {cure}") from None
    predictions = _read_table(pd.read_parquet, folder / "predictions.parquet", cure)
    curves = _read_curves(folder / "curves.csv", cure)
    _check_predictions(predictions, units, folder / "predictions.parquet", cure)
    ordered = predictions.sort_values(["seed", "fold", "id"], kind="stable", ignore_index=True)
    return SystemResult(system, units, ordered, curves)


def read_curves(path: Path) -> pd.DataFrame:
    """Reads curves.csv. Folds are text, since a speaker may be called NA or 03."""
    return pd.read_csv(
        path,
        dtype={"fold": str, "system": str},
        keep_default_na=False,
        na_values={column: [""] for column in CURVES},
    )


def _codes(values: pd.Series, labels: Sequence[str]) -> np.ndarray:
    return pd.Index(labels).get_indexer(values)


def _read_table(reader: Any, path: Path, cure: str) -> pd.DataFrame:
    try:
        return reader(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({str(error).splitlines()[0]}): {cure}") from None


def _read_curves(path: Path, cure: str) -> pd.DataFrame:
    curves = _read_table(read_curves, path, cure)
    if missing := [column for column in CURVES if column not in curves.columns]:
        raise UserError(f"{path}: column {missing[0]} is missing: {cure}")
    for column in ("fold", "seed", "epoch"):
        if curves[column].isna().any():
            raise UserError(f"{path}: {column}: is empty in row {int(np.argmax(curves[column].isna()))}: {cure}")
    return curves.astype({"epoch": int})


def _check_predictions(table: pd.DataFrame, units: Units, path: Path, cure: str) -> None:
    columns = [f"p_{label}" for label in units.labels]
    if missing := [column for column in (*COLUMNS, *columns) if column not in table.columns]:
        raise UserError(f"{path}: column {missing[0]} is missing: {cure}")
    if strays := [column for column in table.columns if column.startswith("p_") and column not in columns]:
        raise UserError(f"{path}: column {strays[0]}: its label is not among {', '.join(units.labels)}: {cure}")
    if table.empty:
        raise UserError(f"{path}: holds no prediction: {cure}")
    for column in COLUMNS:
        if table[column].isna().any():
            raise UserError(f"{path}: {column}: is empty in row {int(np.argmax(table[column].isna()))}: {cure}")
    for column in ("emotion", "predicted"):
        if strays := sorted(set(table[column]) - set(units.labels)):
            raise UserError(f"{path}: {column} = {strays[0]}: must be one of {', '.join(units.labels)}: {cure}")
    _check_probabilities(table, columns, path, cure)
    doubled = table.duplicated(["seed", "fold", "id"])
    if doubled.any():
        row = table[doubled].iloc[0]
        raise UserError(
            f"{path}: utterance {row['id']}: occurs twice in fold {row['fold']} of seed {row['seed']} "
            f"({int(doubled.sum())} such rows): {cure}"
        )
    seeds = {seed: set(map(tuple, group[["fold", "id"]].to_numpy())) for seed, group in table.groupby("seed")}
    first = min(seeds)
    for seed, tested in seeds.items():
        if difference := tested ^ seeds[first]:
            fold, utterance = min(difference, key=lambda key: tuple(map(str, key)))
            raise UserError(
                f"{path}: seed {seed}: tests other utterances than seed {first} ({len(difference)} differ; "
                f"first: {utterance} in fold {fold}): {cure}"
            )


def _check_probabilities(table: pd.DataFrame, columns: list[str], path: Path, cure: str) -> None:
    try:
        values = table[columns].to_numpy(dtype=float)
    except (TypeError, ValueError):
        raise UserError(f"{path}: probabilities are not numbers: {cure}") from None
    faults = (
        (~np.isfinite(values).all(axis=1), "probabilities are not finite"),
        (((values < 0) | (values > 1)).any(axis=1), "a probability is outside 0 to 1"),
        (np.abs(values.sum(axis=1) - 1) > SUM_TOLERANCE, "probabilities do not sum to 1"),
    )
    for faulty, what in faults:
        if faulty.any():
            row = table.iloc[int(np.argmax(faulty))]
            raise UserError(
                f"{path}: utterance {row['id']} in fold {row['fold']} of seed {row['seed']}: {what} "
                f"({int(faulty.sum())} such rows): {cure}"
            )


def _fits_budget(result: SystemResult, corpus: str, budget: Budget) -> None:
    system, units, table = result.system, result.units, result.predictions
    cure = f"run the train step for {system} (dvc repro)"
    for key, wanted in (("corpus", corpus), ("protocol", budget.protocol), ("system", system)):
        for value in (getattr(units, key), *sorted(set(table[key]))):
            if value != wanted:
                raise UserError(f"{system}: {key} = {value}: the budget of {corpus} asks for {wanted}: {cure}")
    for seeds in (sorted(units.seeds), sorted(map(int, set(table["seed"])))):
        if seeds != sorted(budget.seeds_of(system)):
            raise UserError(
                f"{system}: seeds = {seeds}: the budget of {corpus} asks for {sorted(budget.seeds_of(system))}: {cure}"
            )
    folds = table["fold"].nunique()
    if budget.folds is not None and (found := sorted(set(table["fold"]))) != sorted(set(budget.folds)):
        raise UserError(f"{system}: folds = {found}: the budget of {corpus} asks for {sorted(budget.folds)}: {cure}")
    if folds != units.folds:
        raise UserError(f"{system}: predictions of {folds} folds, where the protocol has {units.folds}: {cure}")


def _fits_table(result: SystemResult, utterances: pd.DataFrame) -> None:
    known = utterances.set_index("id")["speaker"]
    table = result.predictions
    speakers = table["id"].map(known)
    for faulty, what in (
        (speakers.isna(), "is not in the table of utterances"),
        (speakers != table["speaker"], "has another speaker in the table of utterances"),
    ):
        if faulty.any():
            raise UserError(
                f"{result.system}: utterance {table.loc[faulty, 'id'].iloc[0]}: {what} ({int(faulty.sum())} "
                f"such rows): run the train step for {result.system} on the current table (dvc repro)"
            )

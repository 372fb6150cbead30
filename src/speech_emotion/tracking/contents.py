"""What the graph's folders say, as runs of a tracking store: entries with keys, whatever the store."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from speech_emotion.corpora.table import read_utterances
from speech_emotion.errors import UserError
from speech_emotion.export.files import BUNDLE, CHECK, FP32, INT8
from speech_emotion.store.hashing import hash_json, sha256_file

CURVES = ("loss", "valid_loss", "valid_ua")
OF_ALL_SYSTEMS = ("comparison.png", "recall.png")  # figures; every other one is named <kind>-<system>.png


@dataclass(frozen=True)
class Dataset:
    """The corpus as the runs saw it: `digest` is of the table of utterances, which holds each file's sha256."""

    name: str
    digest: str
    source: str
    profile: Mapping[str, int]
    licences: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """One run.

    Attributes:
        kind: system, unit (a fold and seed of a system), comparison or model.
        key: hash of what makes it the same run; params are part of it, since a run's params never change.
        state: hash of all that it holds.
        metrics: name -> value.
        curves: name -> (epoch, value) pairs.
        files: path -> folder among the run's artifacts.
        model: the exported graph that the run presents; its bundle lies beside it.
    """

    kind: str
    key: str
    state: str
    name: str
    tags: Mapping[str, str]
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    files: Mapping[Path, str] = field(default_factory=dict)
    dataset: Dataset | None = None
    model: Path | None = None
    children: tuple["Entry", ...] = ()


@dataclass(frozen=True)
class Folders:
    """Outputs of the steps that the store mirrors; `provenance` may be empty."""

    utterances: Path
    tuned: Path
    trained: Path
    evaluation: Path
    selected: Path
    exported: Path
    provenance: Path


def read_entries(folders: Folders, systems: Sequence[str]) -> list[Entry]:
    """All runs: one a system with one a unit below it, the comparison, and the selected model where there is one.

    Raises:
        UserError: a file is missing or is no JSON.
    """
    summary = _json(folders.evaluation / "summary.json")
    metrics = _json(folders.evaluation / "metrics.json")
    table = folders.utterances / "utterances.parquet"
    utterances = read_utterances(table)
    tags = {
        "corpus": summary["corpus"],
        "protocol": summary["protocol"],
        "speaker_independent": _text(summary["speaker_independent"]),
        "synthetic": _text(summary["synthetic"]),
        "data": summary["table_sha256"],
    }
    dataset = Dataset(
        name=summary["corpus"],
        digest=summary["table_sha256"],
        source=f"data/{summary['corpus']}",
        profile={"utterances": len(utterances), "speakers": utterances["speaker"].nunique()},
        licences=tuple(sorted(utterances["licence"].unique())),
    )
    if missing := [system for system in systems if system not in metrics]:
        raise UserError(f"{folders.evaluation / 'metrics.json'}: has no {missing[0]}: run the evaluate step again")
    entries = [_system(folders, system, tags, metrics[system], dataset) for system in systems]
    entries.append(_comparison(folders, tags, metrics, dataset))
    if (folders.exported / BUNDLE).is_file():
        entries.append(_model(folders, tags, metrics, dataset))
    return entries


def _system(
    folders: Folders, system: str, shared: Mapping[str, str], metrics: Mapping[str, Any], dataset: Dataset
) -> Entry:
    folder = folders.trained / system
    units = _json(folder / "units.json")
    reason = units["not_deployable"]
    tags = {
        **shared,
        "system": system,
        "title": units["title"],
        "paper": units["paper"],
        "deployable": f"no: {reason}" if reason else "yes",
        **_revision(folders, system),
    }
    files = {folder / name: "" for name in ("predictions.parquet", "curves.csv", "units.json")}
    for path in sorted((folders.tuned / system).glob("*")):
        files[path] = "tune"
    key = hash_json(["system", dict(shared), system, _hashes(files)])
    for path in sorted((folders.evaluation / "figures").glob("*.png")):
        if path.name.partition("-")[2] == f"{system}.png":
            files[path] = "figures"
    if (confusion := folders.evaluation / "confusion" / f"{system}.csv").is_file():
        files[confusion] = "confusion"
    return Entry(
        kind="system",
        key=key,
        state=hash_json([key, metrics, _hashes(files)]),
        name=f"{shared['corpus']} {system}",
        tags=tags,
        params={
            "system": system,
            "protocol": shared["protocol"],
            "folds": units["folds"],
            "seeds": " ".join(map(str, units["seeds"])),
            "labels": " ".join(units["labels"]),
            **{name: units[name] for name in ("parameters", "max_epochs", "patience") if name in units},
            **_flat(units["hyperparameters"], "hyperparameters"),
            **_flat(units.get("needs", {}), "needs"),
        },
        metrics=_numbers(metrics),
        files=files,
        dataset=dataset,
        children=tuple(_units(folder, system, units, tags, dataset)),
    )


def _units(
    folder: Path, system: str, units: Mapping[str, Any], tags: Mapping[str, str], dataset: Dataset
) -> Iterator[Entry]:
    curves = pd.read_csv(folder / "curves.csv", dtype={"fold": str})
    by_unit = {f"{fold}-{seed}": rows for (fold, seed), rows in curves.groupby(["fold", "seed"])}
    for name, unit in units["units"].items():
        fold, _, seed = name.rpartition("-")
        own = _curves(by_unit[name]) if name in by_unit else {}
        key = hash_json(["unit", unit, {curve: list(map(list, points)) for curve, points in own.items()}])
        yield Entry(
            kind="unit",
            key=key,
            state=key,
            name=f"{system} {name}",
            tags={**tags, "fold": fold, "seed": seed, "unit": unit["key"]},
            params={
                "fold": fold,
                "seed": seed,
                **_flat(unit.get("hyperparameters", units["hyperparameters"]), "hyperparameters"),
            },
            metrics=_numbers({name: unit[name] for name in ("ua", "best_epoch", "epochs") if name in unit}),
            curves=own,
            dataset=dataset,
        )


def _comparison(folders: Folders, tags: Mapping[str, str], metrics: Mapping[str, Any], dataset: Dataset) -> Entry:
    evaluation = folders.evaluation
    files = {path: "" for path in sorted(evaluation.glob("*")) if path.is_file()}
    files |= {evaluation / "figures" / name: "figures" for name in OF_ALL_SYSTEMS}
    for path in (folders.selected / "best.json", folders.exported / CHECK):
        files[path] = "selected"
    for name in ("report.md", "quarantine.csv"):
        files[folders.utterances / name] = "ingest"
    files = {path: folder for path, folder in files.items() if path.is_file()}
    key = hash_json(["comparison", dict(tags), _hashes(files)])
    figures = {f"{figure}/{system}": metrics[system][figure] for system in metrics for figure in ("ua", "wa")}
    return Entry(
        kind="comparison",
        key=key,
        state=key,
        name=f"{tags['corpus']} systems side by side",
        tags=tags,
        metrics=figures,
        files=files,
        dataset=dataset,
    )


def _model(folders: Folders, shared: Mapping[str, str], metrics: Mapping[str, Any], dataset: Dataset) -> Entry:
    bundle = _json(folders.exported / BUNDLE)
    check = _json(folders.exported / CHECK)
    files = {folders.exported / name: "export" for name in (FP32, INT8, BUNDLE, CHECK)}
    files[folders.selected / "best.json"] = "selected"
    files = {path: folder for path, folder in files.items() if path.is_file()}
    system = bundle["system"]
    figures = metrics.get(system, {})
    key = hash_json(["model", dict(shared), figures, _hashes(files)])
    return Entry(
        kind="model",
        key=key,
        state=key,
        name=f"{shared['corpus']} {system} for the device",
        tags={**shared, "system": system, "title": bundle["title"], "licences": ", ".join(bundle["licences"])},
        params=_flat({name: value for name, value in bundle.items() if name != "sha256"}, ""),
        metrics=_numbers({**figures, "fp32": check["fp32"], "int8": check["int8"]}),
        files=files,
        dataset=dataset,
        model=folders.exported / FP32,
    )


def _revision(folders: Folders, system: str) -> dict[str, str]:
    path = folders.provenance / f"train-{system}.json"
    revision = _json(path).get("revision") if path.is_file() else None
    return {"revision": revision} if revision else {}


def _curves(rows: pd.DataFrame) -> dict[str, list[tuple[int, float]]]:
    """Values that are no number (an epoch without validation) are left out."""
    found = {}
    for name in CURVES:
        points = [(int(epoch), float(value)) for epoch, value in zip(rows["epoch"], rows[name], strict=True)]
        if points := [point for point in points if math.isfinite(point[1])]:
            found[name] = points
    return found


def _flat(value: Any, prefix: str) -> dict[str, Any]:
    """Nested objects as dotted names; lists as words."""
    if isinstance(value, Mapping):
        parts = [_flat(inner, f"{prefix}.{name}" if prefix else str(name)) for name, inner in value.items()]
        return {name: inner for part in parts for name, inner in part.items()}
    return {prefix: " ".join(map(str, value)) if isinstance(value, list | tuple) else value}


def _numbers(values: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """The finite numbers among nested values, names joined by slashes."""
    found: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= _numbers(value, f"{prefix}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            found[f"{prefix}{name}"] = float(value)
    return found


def _hashes(files: Mapping[Path, str]) -> list[list[str]]:
    for path in files:
        if not path.is_file():
            raise UserError(f"{path}: no such file: run the steps before (dvc repro)")
    return sorted([folder, path.name, sha256_file(path)] for path, folder in files.items())


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file: run the steps before (dvc repro)") from None
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error}): remove it and run the step that makes it (dvc repro)") from None


def _text(value: bool) -> str:
    return "true" if value else "false"

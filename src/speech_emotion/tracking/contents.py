"""Reads the output folders of the graph as entries for a tracking store."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from speech_emotion.corpora.table import read_utterances
from speech_emotion.errors import UserError
from speech_emotion.evaluation.metrics import headline
from speech_emotion.evaluation.results import read_curves
from speech_emotion.export.files import BUNDLE, CALIBRATION, CHECK, FP32, INT8, INT8_CPU, OPERATORS_CARD, PRUNED
from speech_emotion.params import CPU
from speech_emotion.reporting.figures import COLOURS
from speech_emotion.store.hashing import hash_json, sha256_file
from speech_emotion.tracking import details, notes
from speech_emotion.tracking.entries import Dataset, Entry
from speech_emotion.tracking.finished import finished_journal, period_of, samples_of, seconds_of
from speech_emotion.tracking.journal import Journal, group_of
from speech_emotion.tracking.tags import COLOUR, GROUP, UNIT
from speech_emotion.tracking.values import curves_of, figures_of, flat, mean_curves, numbers

OF_ALL_SYSTEMS = ("comparison.png", "recall.png")  # figures; every other one is named <kind>-<system>.png
CONFUSION, TABLE = "figures/confusion.png", "predictions.json"
TRIAL_FACTS = ("fold", "trial", "state", "ua")  # columns of trials.csv that are not hyper-parameters
TRIAL_STATUS = {"fail": "FAILED", "failed": "FAILED", "pruned": "KILLED"}  # every other state is FINISHED


@dataclass(frozen=True)
class Folders:
    """Output folders of the steps that the store mirrors; `provenance` and `journals` may be empty."""

    utterances: Path
    tuned: Path
    trained: Path
    evaluation: Path
    selected: Path
    exported: Path
    provenance: Path
    journals: Path


def system_name(system: str, protocol: str) -> str:
    """Name of a system's run."""
    return f"{system} · {protocol}"


def unit_name(system: str, fold: str, seed: int | str) -> str:
    """Name of a unit's run."""
    return f"{system} fold {fold} seed {seed}"


def unit_params(fold: str, seed: int | str, hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    """The params of a unit's run, in the live view and afterwards."""
    return {"fold": fold, "seed": seed, **flat(hyperparameters, "hyperparameters")}


def read_entries(folders: Folders, systems: Sequence[str]) -> list[Entry]:
    """All runs: one for each system, with its units and trials below it; the comparison; the exported model, if any.

    Args:
        folders: outputs of the steps.
        systems: ids of the systems.

    Raises:
        UserError: a file is missing or is not JSON.
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
        version=_provenance(folders, "ingest").get("data") or {},
        profile={"utterances": len(utterances), "speakers": utterances["speaker"].nunique()},
        licences=tuple(sorted(utterances["licence"].unique())),
    )
    if missing := [system for system in systems if system not in metrics]:
        raise UserError(f"{folders.evaluation / 'metrics.json'}: has no {missing[0]}: run the evaluate step again")
    entries = [
        _system(folders, system, tags, metrics[system], dataset, COLOURS[number % len(COLOURS)])
        for number, system in enumerate(systems)
    ]
    entries.append(_comparison(folders, tags, metrics, dataset))
    if (folders.exported / BUNDLE).is_file():
        entries.append(_model(folders, tags, metrics, dataset))
    return entries


def _system(
    folders: Folders,
    system: str,
    shared: Mapping[str, str],
    metrics: Mapping[str, Any],
    dataset: Dataset,
    colour: str,
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
    curves = read_curves(folder / "curves.csv")
    journals = {name: finished_journal(folders.journals, unit["key"]) for name, unit in units["units"].items()}
    files = {folder / name: "" for name in ("predictions.parquet", "curves.csv", "units.json")}
    for path in sorted((folders.tuned / system).glob("*")):
        files[path] = "tune"
    key = hash_json(["system", dict(shared), system, _hashes(files)])
    for path in sorted((folders.evaluation / "figures").glob("*.png")):
        if path.name.partition("-")[2] == f"{system}.png":
            files[path] = "figures"
    if (confusion := folders.evaluation / "confusion" / f"{system}.csv").is_file():
        files[confusion] = "confusion"
    figures = figures_of(metrics) | _of_units(units["units"].values(), journals.values())
    note = notes.of_system(units, metrics, tags, dataset)
    return Entry(
        kind="system",
        key=key,
        state=hash_json([key, metrics, note, _hashes(files)]),
        name=system_name(system, shared["protocol"]),
        tags={**tags, GROUP: group_of(unit["key"] for unit in units["units"].values()), COLOUR: colour},
        params={
            "system": system,
            "protocol": shared["protocol"],
            "folds": units["folds"],
            "seeds": " ".join(map(str, units["seeds"])),
            **({"devices": " ".join(units["devices"])} if "devices" in units else {}),
            "labels": " ".join(units["labels"]),
            **{name: units[name] for name in ("parameters", "max_epochs", "patience") if name in units},
            **flat(units["hyperparameters"], "hyperparameters"),
            **flat(units.get("needs", {}), "needs"),
        },
        metrics=figures,
        curves=mean_curves(curves),
        files=files,
        made={TABLE: details.table_writer(folder)},
        period=period_of(journals.values()),
        note=note,
        dataset=dataset,
        children=(
            *_units(folder, system, units, curves, journals, tags, dataset),
            *_trials(folders.tuned / system, system, units, tags),
        ),
    )


def _units(
    folder: Path,
    system: str,
    units: Mapping[str, Any],
    curves: pd.DataFrame,
    journals: Mapping[str, Journal | None],
    tags: Mapping[str, str],
    dataset: Dataset,
) -> Iterator[Entry]:
    by_unit = {f"{fold}-{seed}": rows for (fold, seed), rows in curves.groupby(["fold", "seed"])}
    for name, unit in units["units"].items():
        fold, _, seed = name.rpartition("-")
        own = curves_of(by_unit[name]) if name in by_unit else {}
        key = hash_json(["unit", unit, {curve: list(map(list, points)) for curve, points in own.items()}])
        journal = journals[name]
        figures = numbers({name: unit[name] for name in ("ua", "best_epoch", "epochs") if name in unit})
        yield Entry(
            kind="unit",
            key=key,
            state=key,
            name=unit_name(system, fold, seed),
            tags={**tags, "fold": fold, "seed": seed, "device": unit.get("device", CPU), UNIT: unit["key"]},
            params=unit_params(fold, seed, unit.get("hyperparameters", units["hyperparameters"])),
            metrics=figures | seconds_of(journal),
            curves=own,
            samples=samples_of(journal),
            made={
                "predictions.parquet": details.parquet_writer(folder, fold, int(seed)),
                TABLE: details.table_writer(folder, fold, int(seed)),
                CONFUSION: details.confusion_writer(folder, fold, int(seed)),
            },
            period=period_of([journal]),
            dataset=dataset,
        )


def _trials(folder: Path, system: str, units: Mapping[str, Any], tags: Mapping[str, str]) -> Iterator[Entry]:
    """One entry for each trial of trials.csv.

    Hyper-parameters are in columns of their own or, as JSON, in `params`. Of the other columns, numbers become metrics
    and texts become tags.
    """
    path = folder / "trials.csv"
    if not path.is_file():
        return
    known = set(units["hyperparameters"])
    for row in pd.read_csv(path, converters={"fold": str}).to_dict("records"):
        given = {str(name): value for name, value in row.items() if not pd.isna(value)}
        rest = {name: value for name, value in given.items() if name not in TRIAL_FACTS}
        found = json.loads(rest.pop("params", "{}"))
        found |= {name: rest.pop(name) for name in known & set(rest)}
        key = hash_json(["trial", units["corpus"], units["protocol"], system, {k: str(v) for k, v in given.items()}])
        state = str(given["state"]).lower()
        yield Entry(
            kind="trial",
            key=key,
            state=key,
            name=f"{system} fold {given['fold']} trial {given['trial']}",
            tags={
                **tags,
                "fold": given["fold"],
                "trial": str(given["trial"]),
                "state": state,
                **{name: str(value) for name, value in rest.items() if isinstance(value, str)},
            },
            params=flat(found, "hyperparameters"),
            metrics=numbers({"valid_ua": given["ua"]} if "ua" in given else {}) | numbers(rest),
            status=TRIAL_STATUS.get(state, "FINISHED"),
        )


def _comparison(folders: Folders, tags: Mapping[str, str], metrics: Mapping[str, Any], dataset: Dataset) -> Entry:
    evaluation = folders.evaluation
    files = {path: "" for path in sorted(evaluation.glob("*")) if path.is_file()}
    files |= {evaluation / "figures" / name: "figures" for name in OF_ALL_SYSTEMS}
    for path in (folders.selected / "best.json", folders.exported / CHECK):
        files[path] = "selected"
    for name in ("report.md", "rejected.csv"):
        files[folders.utterances / name] = "ingest"
    files = {path: folder for path, folder in files.items() if path.is_file()}
    key = hash_json(["comparison", dict(tags), _hashes(files)])
    figures = {
        f"{one.key}/{system}": own[one.key] for system, own in metrics.items() for one in headline() if one.key in own
    }
    return Entry(
        kind="comparison",
        key=key,
        state=key,
        name=f"all systems · {tags['protocol']}",
        tags=tags,
        metrics=figures,
        files=files,
        note=notes.of_comparison(metrics, tags, dataset),
        dataset=dataset,
    )


def _model(folders: Folders, shared: Mapping[str, str], metrics: Mapping[str, Any], dataset: Dataset) -> Entry:
    bundle = _json(folders.exported / BUNDLE)
    check = _json(folders.exported / CHECK)
    models = [prefix + name for prefix in ("", PRUNED) for name in (FP32, INT8, INT8_CPU)]
    exported = (*models, BUNDLE, CALIBRATION, CHECK, OPERATORS_CARD)
    files = {folders.exported / name: "export" for name in exported}
    files[folders.selected / "best.json"] = "selected"
    files = {path: folder for path, folder in files.items() if path.is_file()}
    system = bundle["system"]
    figures = metrics.get(system, {})
    tags = {
        **shared,
        "system": system,
        "title": bundle["title"],
        "licences": ", ".join(bundle["licences"]),
        **_revision(folders, system),
    }
    key = hash_json(["model", dict(shared), figures, _hashes(files)])
    return Entry(
        kind="model",
        key=key,
        state=key,
        name=f"{system} for the device · {shared['protocol']}",
        tags=tags,
        params=flat({name: value for name, value in bundle.items() if name != "sha256"}, ""),
        metrics=figures_of(figures)
        | numbers({name: check[name] for name in ("fp32", "int8", "pruned", "qat") if name in check}),
        files=files,
        note=notes.of_model(bundle, figures, check, tags, dataset),
        dataset=dataset,
        model=folders.exported / FP32,
    )


def _revision(folders: Folders, system: str) -> dict[str, str]:
    revision = _provenance(folders, f"train-{system}").get("revision")
    return {"revision": revision} if revision else {}


def _provenance(folders: Folders, step: str) -> Mapping[str, Any]:
    path = folders.provenance / f"{step}.json"
    return _json(path) if path.is_file() else {}


def _of_units(units: Iterable[Mapping[str, Any]], journals: Iterable[Journal | None]) -> dict[str, float]:
    """The median best epoch, and the total seconds if all units were trained here."""
    epochs = [unit["best_epoch"] for unit in units if unit.get("best_epoch")]
    found = {"best_epoch": float(median(epochs))} if epochs else {}
    took = [seconds_of(journal) for journal in journals]
    if took and all(took):
        found |= {name: round(sum(one[name] for one in took), 3) for name in took[0]}
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

"""Step evaluate: predictions of all candidates -> metrics, tests between systems, figures, report."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from speech_emotion.corpora.table import read_utterances
from speech_emotion.evaluation.claims import read_claims
from speech_emotion.evaluation.comparison import compare_all
from speech_emotion.evaluation.metrics import METRICS, headline
from speech_emotion.evaluation.results import SystemResult, read_results
from speech_emotion.evaluation.scoring import absent_labels, score
from speech_emotion.recorder import Recorder
from speech_emotion.reporting import figures
from speech_emotion.reporting.report import Setting, report
from speech_emotion.steps.step import Folders, Step, StepParams
from speech_emotion.store.atomic import write_text
from speech_emotion.store.hashing import sha256_file


def run(inputs: Folders, params: StepParams, outputs: Folders, recorder: Recorder) -> None:
    """Writes metrics.json, headline.json, summary.json, systems.csv, comparison.csv, curves.csv,
    confusion/<system>.csv, figures/*.png and report.md.

    Raises:
        UserError: a system's results are missing, damaged, or do not match the budget, the table or each other.
    """
    table = inputs["utterances"] / "utterances.parquet"
    utterances = read_utterances(table)
    results = read_results(inputs["trained"], params.corpus, params.candidates, params.budget, utterances)
    for label in absent_labels(results[0]):
        recorder.note(f"evaluate: no test utterance has the label {label}: UA ignores it")
    setting = _setting(results, utterances, sha256_file(table))
    sexes = utterances.set_index("id")["sex"]
    metrics = {
        result.system: score(result, sexes, params.evaluate)
        for result in recorder.progress(results, "evaluate", len(results))
    }
    comparison = compare_all(results, params.evaluate)
    claims = {
        result.system: read_claims(inputs["papers"], result.units.paper, result.system, params.corpus)
        for result in results
    }

    folder = outputs["evaluation"]
    _write_json(folder / "metrics.json", metrics)
    short = {system: {metric.key: one[metric.key] for metric in headline()} for system, one in metrics.items()}
    _write_json(folder / "headline.json", short)  # fits the tables of dvc metrics show and dvc exp show
    _write_json(folder / "summary.json", _summary(setting))
    drawn = [metric.key for metric in METRICS.values() if metric.percent and not metric.repeats]  # on one axis
    rows = [(system, key, one[key]) for system, one in metrics.items() for key in drawn]
    write_text(folder / "systems.csv", _csv(pd.DataFrame(rows, columns=["system", "metric", "value"])))
    write_text(folder / "comparison.csv", _csv(comparison))
    write_text(folder / "curves.csv", _csv(_mean_curves(results)))
    for result in results:
        rows = result.predictions[["emotion", "predicted"]].rename(columns={"emotion": "actual"})
        write_text(folder / "confusion" / f"{result.system}.csv", _csv(rows))
    pictures = _draw(folder, results, metrics, setting)
    text = report(setting, results, metrics, comparison, claims, pictures, sexes, params.evaluate, params.budget)
    write_text(folder / "report.md", text)


def _setting(results: Sequence[SystemResult], utterances: pd.DataFrame, table_sha256: str) -> Setting:
    first = results[0]
    return Setting(
        corpus=first.units.corpus,
        protocol=first.units.protocol,
        speaker_independent=first.units.speaker_independent,
        synthetic=bool(utterances["licence"].str.contains("synthetic").any()),
        labels=first.labels,
        seeds={result.system: tuple(sorted(result.units.seeds)) for result in results},
        folds=first.units.folds,
        utterances=len(utterances),
        tested=first.predictions["id"].nunique(),
        speakers=first.predictions["speaker"].nunique(),
        table_sha256=table_sha256,
    )


def _summary(setting: Setting) -> dict[str, Any]:
    return {
        "corpus": setting.corpus,
        "protocol": setting.protocol,
        "speaker_independent": setting.speaker_independent,
        "synthetic": setting.synthetic,
        "labels": list(setting.labels),
        "seeds": {system: list(seeds) for system, seeds in setting.seeds.items()},
        "folds": setting.folds,
        "utterances": setting.tested,
        "speakers": setting.speakers,
        "table_sha256": setting.table_sha256,
    }


def _draw(folder: Path, results: Sequence[SystemResult], metrics: Mapping[str, Any], setting: Setting) -> list[str]:
    pictures = ["figures/comparison.png", "figures/recall.png"]
    figures.comparison_bars(folder / pictures[0], results, metrics, setting.line)
    figures.recall_bars(folder / pictures[1], results, metrics, setting.line)
    for result in results:
        pictures.append(f"figures/confusion-{result.system}.png")
        figures.confusion_matrix(folder / pictures[-1], result, setting.line_of(result.system))
        curves = f"figures/curves-{result.system}.png"
        if figures.learning_curves(folder / curves, result, setting.line_of(result.system)):
            pictures.append(curves)
    return pictures


def _mean_curves(results: Sequence[SystemResult]) -> pd.DataFrame:
    """One row per system and epoch: losses and validation UA, averaged over the fold runs that reached the epoch."""
    columns = ["loss", "valid_loss", "valid_ua"]
    tables = [result.curves.groupby("epoch")[columns].mean().reset_index() for result in results]
    named = [table.assign(system=result.system) for table, result in zip(tables, results, strict=True)]
    return pd.concat(named)[["system", "epoch", *columns]]


def _csv(table: pd.DataFrame) -> str:
    return table.to_csv(index=False, lineterminator="\n")


def _write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


STEP = Step(
    name="evaluate",
    run=run,
    inputs={"utterances": "artifacts/ingest", "trained": "artifacts/train"},
    outputs={"evaluation": "artifacts/evaluate"},
    sections=("corpus", "evaluate", "candidates", "budgets.{corpus}"),
    caches={"papers": "papers"},
)

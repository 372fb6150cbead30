"""Step evaluate: its outputs, its errors, and that a second run gives the same bytes."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from made_up_results import predictions, utterances, write_system, write_table
from speech_emotion.errors import UserError
from speech_emotion.evaluation.metrics import METRICS, Metric
from speech_emotion.params import Params, load_params
from speech_emotion.recorder import Recorder
from speech_emotion.steps.evaluate import STEP
from speech_emotion.steps.select import rank
from speech_emotion.steps.step import StepParams
from speech_emotion.store.hashing import sha256_file

TOP = Path(__file__).parents[2]
SYSTEMS = {"w1": 0.8, "t2": 0.5}


def params(corpus: str = "emodb", systems=tuple(SYSTEMS), seeds=(0,)) -> Params:
    loaded = load_params(TOP / "params.yaml")
    budget = loaded.budgets[corpus].model_copy(
        update={"protocol": "emodb-loso", "seeds": list(seeds), "more_seeds": {}}
    )
    budgets = {**loaded.budgets, corpus: budget}
    return loaded.model_copy(update={"corpus": corpus, "candidates": list(systems), "budgets": budgets})


def make(folder: Path, corpus: str = "emodb", seeds=(0,), licence: str = "CC0-1.0", **changed) -> dict[str, Path]:
    rows = utterances(corpus, licence=licence)
    write_table(folder / "ingest", rows)
    for system, skill in SYSTEMS.items():
        table = predictions(rows, system, skill, seeds)
        write_system(folder / "train" / system, table, epochs=0 if system == "t2" else 8, **changed)
    return {"utterances": folder / "ingest", "trained": folder / "train", "papers": TOP / "papers"}


def evaluate(inputs: dict[str, Path], output: Path, chosen: Params) -> Path:
    output.mkdir()
    STEP.run(inputs, StepParams(chosen, STEP.sections), {"evaluation": output}, Recorder(quiet=True))
    return output


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> dict[str, Path]:
    return make(tmp_path_factory.mktemp("artifacts"))


@pytest.fixture(scope="module")
def evaluation(inputs, tmp_path_factory) -> Path:
    return evaluate(inputs, tmp_path_factory.mktemp("out") / "evaluate", params())


def test_exactly_the_expected_files_are_written(evaluation):
    files = {path.relative_to(evaluation).as_posix() for path in evaluation.rglob("*") if path.is_file()}
    pictures = ("comparison", "recall", "confusion-w1", "confusion-t2", "curves-w1")
    assert files == {
        "metrics.json", "headline.json", "summary.json", "systems.csv", "comparison.csv", "curves.csv", "report.md",
        "confusion/w1.csv", "confusion/t2.csv", *(f"figures/{picture}.png" for picture in pictures),
    }  # fmt: skip


def test_metrics_are_objects_of_numbers(evaluation):
    def leaves(value):
        return [leaf for each in value.values() for leaf in leaves(each)] if isinstance(value, dict) else [value]

    metrics = json.loads((evaluation / "metrics.json").read_text())
    assert list(metrics) == ["w1", "t2"]
    assert metrics["w1"]["ua"] > metrics["t2"]["ua"] > 25
    assert all(type(leaf) in (int, float) for leaf in leaves(metrics))


def test_headline_is_an_excerpt_of_metrics(evaluation):
    metrics = json.loads((evaluation / "metrics.json").read_text())
    headline = json.loads((evaluation / "headline.json").read_text())
    assert list(headline) == list(metrics)
    for system, values in headline.items():
        assert values == {key: metrics[system][key] for key in ("ua", "wa", "macro_f1", "ece")}


def test_confusion_has_one_row_per_prediction(evaluation, inputs):
    with open(evaluation / "confusion" / "w1.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    metrics = json.loads((evaluation / "metrics.json").read_text())
    assert list(rows[0]) == ["actual", "predicted"]
    assert len(rows) == len(utterances())
    share = sum(row["actual"] == row["predicted"] for row in rows) / len(rows)
    assert metrics["w1"]["wa"] == pytest.approx(100 * share, abs=0.006)


def test_systems_are_listed_side_by_side(evaluation):
    with open(evaluation / "systems.csv", newline="") as file:
        rows = {(row["system"], row["metric"]): float(row["value"]) for row in csv.DictReader(file)}
    metrics = json.loads((evaluation / "metrics.json").read_text())
    assert rows == {(s, m): metrics[s][m] for s in SYSTEMS for m in ("ua", "wa", "macro_precision", "macro_f1")}


def test_curves_are_means_over_the_runs_that_reached_the_epoch(evaluation, inputs):
    with open(evaluation / "curves.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["system"] == "w1"]
    with open(inputs["trained"] / "w1" / "curves.csv", newline="") as file:
        last = [float(row["loss"]) for row in csv.DictReader(file) if row["epoch"] == rows[-1]["epoch"]]
    assert [int(row["epoch"]) for row in rows] == list(range(1, len(rows) + 1))
    assert float(rows[-1]["loss"]) == pytest.approx(sum(last) / len(last))


def test_claims_of_the_papers_are_in_the_report(tmp_path):
    out = evaluate(make(tmp_path, paper="wang-cl-jetson"), tmp_path / "out", params(systems=["w1"]))
    assert "| W1 made up | WA | 85.7 |" in (out / "report.md").read_text()


def test_summary_describes_the_setting(evaluation, inputs):
    assert json.loads((evaluation / "summary.json").read_text()) == {
        "corpus": "emodb",
        "protocol": "emodb-loso",
        "speaker_independent": True,
        "synthetic": False,
        "labels": ["anger", "happiness", "neutral", "sadness"],
        "seeds": {system: [0] for system in SYSTEMS},
        "folds": 6,
        "utterances": len(utterances()),
        "speakers": 6,
        "table_sha256": sha256_file(inputs["utterances"] / "utterances.parquet"),
    }


def test_report_links_only_existing_files(evaluation):
    links = [part.split(")")[0] for part in (evaluation / "report.md").read_text().split("](")[1:]]
    assert len(links) == 5 and all((evaluation / link).is_file() for link in links)


def test_a_second_run_gives_the_same_bytes(evaluation, inputs, tmp_path):
    again = evaluate(inputs, tmp_path / "again", params())
    for path in evaluation.rglob("*.*"):
        assert path.read_bytes() == (again / path.relative_to(evaluation)).read_bytes(), path.name


def test_synthetic_speech_is_recognised_by_its_licence_and_labelled(tmp_path):
    folders = make(tmp_path, "demo", licence="Apache-2.0 (synthetic)")
    out = evaluate(folders, tmp_path / "out", params("demo", ["t2"]))
    assert json.loads((out / "summary.json").read_text())["synthetic"] is True
    assert "Synthetic speech" in (out / "report.md").read_text()


def test_a_speaker_dependent_protocol_is_labelled(tmp_path):
    out = evaluate(make(tmp_path, speaker_independent=False), tmp_path / "out", params(systems=["t2"]))
    assert json.loads((out / "summary.json").read_text())["speaker_independent"] is False
    assert "speaker-dependent" in (out / "report.md").read_text()


def test_several_seeds_are_pooled_and_their_spread_is_reported(tmp_path):
    out = evaluate(make(tmp_path, seeds=(0, 1)), tmp_path / "out", params(systems=["t2"], seeds=(0, 1)))
    assert json.loads((out / "metrics.json").read_text())["t2"]["ua_seed_std"] > 0
    assert len((out / "confusion" / "t2.csv").read_text().splitlines()) == 1 + 2 * len(utterances())


def test_a_metric_is_added_by_one_entry_of_the_table(inputs, tmp_path, monkeypatch):
    def brier(answers):
        truth = np.eye(answers.probabilities.shape[1])[answers.truth]
        return float(np.square(answers.probabilities - truth).sum(axis=1).mean() / 2)

    added = Metric("brier", "Brier", "Brier score", brier, percent=False, higher_is_better=False, headline=True)
    monkeypatch.setitem(METRICS, "brier", added)
    paper = tmp_path / "papers" / json.loads((inputs["trained"] / "w1" / "units.json").read_text())["paper"]
    paper.mkdir(parents=True)
    claim = "{system: w1, corpus: emodb, protocol: null, brier: 0.125}"
    (paper / "claims.yaml").write_text(f"title: A paper\nclaims:\n  - {claim}\n")
    out = evaluate({**inputs, "papers": tmp_path / "papers"}, tmp_path / "out", params())
    metrics = json.loads((out / "metrics.json").read_text())
    assert 0 < metrics["w1"]["brier"] < metrics["t2"]["brier"] < 1
    assert json.loads((out / "headline.json").read_text())["w1"]["brier"] == metrics["w1"]["brier"]
    header, _, best = [line.split(" | ") for line in (out / "report.md").read_text().splitlines() if "|" in line][:3]
    assert best[header.index("Brier")] == f"{metrics['w1']['brier']:.3f}"
    assert f"| Brier | 0.125 | {metrics['w1']['brier']:.3f} |" in (out / "report.md").read_text()
    assert rank(metrics, list(SYSTEMS), added) == ["w1", "t2"]  # the lowest is the best


def test_a_system_without_results_is_refused_before_anything_is_written(tmp_path, inputs):
    broken = {**inputs, "trained": tmp_path / "train"}
    (tmp_path / "train").mkdir()
    with pytest.raises(UserError, match="w1: no results of system w1: run the train step"):
        evaluate(broken, tmp_path / "out", params())
    assert not list((tmp_path / "out").iterdir())

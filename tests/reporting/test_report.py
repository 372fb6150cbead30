"""The report contains every figure and how it was measured."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from made_up_results import LABELS, predictions, units, utterances
from speech_emotion.evaluation.claims import claim_class
from speech_emotion.evaluation.comparison import compare_all
from speech_emotion.evaluation.results import SystemResult, Units
from speech_emotion.evaluation.scoring import score
from speech_emotion.params import Budget, Evaluate
from speech_emotion.reporting.report import Setting, report

Claim = claim_class()
PARAMS = Evaluate(calibration_bins=15, bootstrap_draws=200, confidence=0.95, permutation_draws=200, seed=0)
BUDGET = Budget(protocol="emodb-loso", candidates=["t2"], seeds=[0], max_epochs=77)
ROWS = utterances()
SEXES = pd.Series({row.id: row.sex for row in ROWS})
SETTING = Setting(
    corpus="emodb",
    protocol="emodb-loso",
    speaker_independent=True,
    synthetic=False,
    labels=LABELS,
    seeds={"t2": (0,), "k2": (0,)},
    folds=6,
    utterances=len(ROWS),
    tested=len(ROWS),
    speakers=6,
    table_sha256="ab" * 32,
)


def result(system: str, skill: float, labels=LABELS, **changed) -> SystemResult:
    table = predictions(ROWS, system, skill, labels=labels).sort_values(["seed", "fold", "id"], ignore_index=True)
    return SystemResult(system, Units.model_validate(units(table, **changed)), table, pd.DataFrame())


def text(results, setting=SETTING, claims=()) -> str:
    metrics = {one.system: score(one, SEXES, PARAMS) for one in results}
    tests = compare_all(results, PARAMS)
    by_system = {one.system: [claim for claim in claims if claim.system == one.system] for one in results}
    return report(setting, results, metrics, tests, by_system, ["figures/x.png"], SEXES, PARAMS, BUDGET)


def section(report: str, title: str) -> str:
    return report.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


POOR = result("a", 0.4, not_deployable="statistics | of the utterance", parameters=None)
GOOD = result("b", 0.9, parameters=1234567)


CLAIMS = [
    Claim(system="b", corpus="emodb", protocol="emodb-loso", ua=81.0),
    Claim(system="b", corpus="emodb", protocol="emodb-random", wa=85.72, macro_f1=80.0),
    Claim(system="a", corpus="emodb", protocol=None, wa=60.0, unit="window"),
]


def test_the_whole_report_of_two_systems():
    expected = Path(__file__).parent / "expected" / "report.md"
    assert text([POOR, GOOD], claims=CLAIMS) == expected.read_text(encoding="utf-8")


def test_systems_with_different_seeds_are_listed_with_theirs():
    setting = replace(SETTING, seeds={"t2": (0, 1, 2), "k2": (0, 1, 2), "w1": (0,)})
    assert "seeds: 0, 1, 2 (t2, k2); 0 (w1);" in section(text([GOOD], setting), "How it was measured")
    assert setting.line.endswith("6 folds · 1 to 3 seeds")
    assert setting.line_of("k2").endswith("· 3 seeds") and setting.line_of("w1").endswith("· 1 seed")


def test_utterances_that_the_protocol_leaves_out_are_reported():
    how = section(text([GOOD], replace(SETTING, utterances=500)), "How it was measured")
    assert "(the table holds 500)" in how


def test_synthetic_speech_is_announced_before_any_figure():
    words = text([GOOD], replace(SETTING, corpus="demo", synthetic=True))
    assert words.index("Synthetic speech") < words.index("UA")
    assert "demo (synthetic speech)" in replace(SETTING, corpus="demo", synthetic=True).line
    assert "ynthetic" not in text([GOOD])


def test_a_speaker_dependent_protocol_is_announced_before_any_figure():
    dependent = replace(SETTING, speaker_independent=False)
    words = text([GOOD], dependent)
    assert words.startswith("# Systems on emodb, speaker-dependent\n\n> **Speaker-dependent.**")
    assert "(speaker-dependent)" in dependent.line
    assert "speaker-dependent" not in text([GOOD])


def test_without_claims_there_is_no_section_for_them():
    assert "claim" not in text([POOR, GOOD])


def test_one_system_has_nothing_to_compare():
    assert "One system: nothing to compare." in text([GOOD])


def test_emotions_without_utterances_are_reported():
    labels = (*LABELS, "fear")
    words = text([result("a", 0.5, labels=labels)], replace(SETTING, labels=labels))
    assert "labelled fear: UA and the macro figures are means over the 4 other emotions." in words


def test_predictions_by_vote_are_reported():
    one = result("a", 0.5)
    wrong = one.predictions.copy()
    wrong.loc[0, "predicted"] = next(label for label in LABELS if label != wrong.loc[0, "predicted"])
    changed = SystemResult("a", one.units, wrong, one.curves)
    assert "of the predictions are not the most probable label" in text([changed])
    assert "most probable" not in text([one])


def test_figures_trained_on_a_gpu_come_with_a_warning():
    assert "A made up: trained on cuda and cpu. Another GPU" in text([result("a", 0.5, devices=("cuda", "cpu"))])
    assert "Another GPU" not in text([GOOD])

"""The report says every figure and how it was got."""

from dataclasses import replace

import pandas as pd
import pytest

from made_up_results import LABELS, predictions, units, utterances
from speech_emotion.evaluation.claims import claim_class
from speech_emotion.evaluation.comparison import compare_all
from speech_emotion.evaluation.report import Setting, interval_of, report
from speech_emotion.evaluation.results import SystemResult, Units
from speech_emotion.evaluation.scoring import score
from speech_emotion.params import Budget, Evaluate

Claim = claim_class()
PARAMS = Evaluate(calibration_bins=15, bootstrap_draws=200, confidence=0.95, permutation_draws=200, seed=0)
BUDGET = Budget(protocol="emodb-loso", candidates=["k2"], seeds=[0], max_epochs=77)
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


def test_the_best_system_stands_first_with_all_its_figures():
    rows = [line for line in text([POOR, GOOD]).splitlines() if line.startswith("| B made up | **")]
    one = score(GOOD, SEXES, PARAMS)
    cells = [cell.strip() for cell in rows[0].strip("|").split("|")]
    shares = [f"{one[key]:.1f}" for key in ("wa", "macro_precision", "macro_recall", "macro_f1")]
    ua = [f"**{one['ua']:.1f}**", f"{one['ua_low']:.1f} to {one['ua_high']:.1f}", f"{one['ua_fold_std']:.1f}", "-", "1"]
    assert cells == ["B made up", *ua, *shares, f"{one['ece']:.3f}", "1,234,567", "yes"]
    assert text([POOR, GOOD]).index("| B made up | **") < text([POOR, GOOD]).index("| A made up | **")


def test_why_a_system_is_not_deployable_is_said_and_cannot_break_the_table():
    assert r"| - | no: statistics \| of the utterance |" in text([POOR, GOOD])


def test_how_it_was_got_is_said():
    how = section(text([POOR, GOOD]), "How it was got")
    assert f"emodb; {len(ROWS)} utterances of 6 speakers tested" in how
    assert f"sha256 `{'ab' * 32}`" in how
    assert "emodb-loso, speaker-independent, 6 folds; seeds: 0; at most 77 epochs" in how
    assert "200 resamples" in how and "15 bins" in how


def test_seeds_of_a_systems_own_are_said():
    setting = replace(SETTING, seeds={"t2": (0, 1, 2), "k2": (0, 1, 2), "w1": (0,)})
    assert "seeds: 0, 1, 2 (t2, k2); 0 (w1);" in section(text([GOOD], setting), "How it was got")
    assert setting.line.endswith("6 folds · 1 to 3 seeds")
    assert setting.line_of("k2").endswith("· 3 seeds") and setting.line_of("w1").endswith("· 1 seed")


def test_utterances_that_the_protocol_leaves_out_are_said():
    how = section(text([GOOD], replace(SETTING, utterances=500)), "How it was got")
    assert "(the table holds 500)" in how


def test_synthetic_speech_is_called_so_before_any_figure():
    words = text([GOOD], replace(SETTING, corpus="demo", synthetic=True))
    assert words.index("Synthetic speech") < words.index("UA")
    assert "demo (synthetic speech)" in replace(SETTING, corpus="demo", synthetic=True).line
    assert "ynthetic" not in text([GOOD])


def test_a_speaker_dependent_protocol_is_called_so_before_any_figure():
    dependent = replace(SETTING, speaker_independent=False)
    words = text([GOOD], dependent)
    assert words.startswith("# Systems on emodb, speaker-dependent\n\n> **Speaker-dependent.**")
    assert "(speaker-dependent)" in dependent.line
    assert "speaker-dependent" not in text([GOOD])


def test_claims_stand_beside_what_was_measured():
    claims = [
        Claim(system="b", corpus="emodb", protocol="emodb-loso", ua=81.0),
        Claim(system="b", corpus="emodb", protocol="emodb-random", wa=85.72, macro_f1=80.0),
        Claim(system="a", corpus="emodb", protocol=None, wa=60.0, unit="window"),
    ]
    words = section(text([GOOD, POOR], claims=claims), "What the papers claim")
    one, other = score(GOOD, SEXES, PARAMS), score(POOR, SEXES, PARAMS)
    assert f"| B made up | UA | 81.0 | {one['ua']:.1f} | this protocol |" in words
    assert f"| B made up | WA | 85.7 | {one['wa']:.1f} | protocol emodb-random |" in words
    assert f"| B made up | macro F1 | 80.0 | {one['macro_f1']:.1f} | protocol emodb-random |" in words
    assert f"| A made up | WA | 60.0 | {other['wa']:.1f} | split not stated; scored by window |" in words


def test_no_claims_no_section():
    assert "claim" not in text([POOR, GOOD])


def test_tests_between_systems_are_shown_corrected_with_their_limits():
    words = section(text([POOR, GOOD]), "Which differences are real")
    row = compare_all([POOR, GOOD], PARAMS).iloc[0]
    assert "all 64 exchanges" in words and "with 6 speakers no p-value is below 0.031" in words
    assert (
        f"| {row.ua_difference:+.1f} | {row.permutation_holm:.3f} | {row.only_a_right} | {row.only_b_right} | < 0.001 |"
        in words
    )


def test_one_system_has_nothing_to_compare():
    assert "One system: nothing to compare." in text([GOOD])


@pytest.mark.parametrize("label", LABELS)
def test_each_emotion_has_its_figures(label):
    one = score(GOOD, SEXES, PARAMS)["per_class"][label]
    cells = f"{one['precision']:.1f} | {one['recall']:.1f} | {one['f1']:.1f} | {one['support']}"
    assert f"| B made up | {label} | {cells} |" in section(text([GOOD]), "Each emotion")


def test_each_sex_has_its_figures_with_speakers_and_utterances():
    one = score(GOOD, SEXES, PARAMS)["per_sex"]["female"]
    assert f"| B made up | female | {one['ua']:.1f} | {one['wa']:.1f} | 3 | 55 |" in section(text([GOOD]), "Each sex")


def test_emotions_that_nobody_bears_are_said():
    words = text([result("a", 0.5, labels=(*LABELS, "fear"))])
    assert (
        "No tested utterance is labelled fear: UA and the macro figures are means over the 4 other emotions." in words
    )


def test_predictions_by_vote_are_said():
    one = result("a", 0.5)
    wrong = one.predictions.copy()
    wrong.loc[0, "predicted"] = next(label for label in LABELS if label != wrong.loc[0, "predicted"])
    changed = SystemResult("a", one.units, wrong, one.curves)
    assert "of the predictions are not the likeliest label" in text([changed])
    assert "likeliest" not in text([one])


def test_figures_are_linked():
    assert "![x](figures/x.png)" in text([GOOD])


def test_an_interval_over_one_speaker_is_a_dash():
    assert interval_of({"ua": 60.0}) == "-"
    assert interval_of({"ua": 60.0, "ua_low": 55.02, "ua_high": 65.0}) == "55.0 to 65.0"

import json
from dataclasses import replace

import pytest

from made_up_results import LABELS, SPEAKERS, predictions, utterances, write_system, write_table
from speech_emotion.corpora.known import emodb
from speech_emotion.corpora.table import read_utterances
from speech_emotion.evaluation.metrics import METRICS, Metric
from speech_emotion.evaluation.results import read_result
from speech_emotion.evaluation.scoring import score
from speech_emotion.export.card import Facts, model_card
from speech_emotion.params import Evaluate

EVALUATE = Evaluate(calibration_bins=15, bootstrap_draws=100, confidence=0.95, permutation_draws=100, seed=0)


@pytest.fixture
def card(tmp_path):
    """Makes the card of a system with made-up predictions."""

    def make(licence="CC0-1.0", corpus="emodb", speakers=SPEAKERS, tested=None, agreeing=10, qat=None, **changed):
        rows = utterances(corpus=corpus, licence=licence, speakers=speakers)
        write_table(tmp_path, rows)
        asked = [row for row in rows if tested is None or row.speaker in tested]
        write_system(tmp_path / "k2", predictions(asked, "k2"), **changed)
        table = read_utterances(tmp_path / "utterances.parquet")
        result = read_result(tmp_path / "k2", "k2")
        bundle = {
            "system": "k2",
            "title": "K2 made up",
            "corpora": [corpus],
            "licences": [licence],
            "synthetic": "synthetic" in licence,
            "window_samples": 4240,
            "sample_rate": 16000,
            "parameters": 12345,
            "sha256": {"fp32.onnx": "ab" * 32},
        }
        check = {"fp32": {"max_difference": 2e-7}, "int8": {"agreement": 0.985, "windows": 200}}
        check |= {"qat": qat} if qat else {}
        refit = {"epochs": 12, "hyperparameters": {"dropout": 0.2}, "agreeing": agreeing, "folds": 10}
        figures = score(result, table.set_index("id")["sex"], EVALUATE)
        return model_card(
            Facts(result, json.loads(json.dumps(figures)), table, table, bundle, check, "cd" * 32, refit, 0.0123)
        ), figures

    return make


def section(text, title):
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows_of(text):
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")
    ]


def test_speech_is_described_as_its_corpus_says(card, monkeypatch):
    monkeypatch.setattr(emodb, "CORPUS", replace(emodb.CORPUS, description="whispered on a train"))
    text, _ = card()
    assert rows_of(section(text, "Data and licences"))[2][:3] == ["emodb", "whispered on a train", "CC0-1.0"]
    assert "(emodb: whispered on a train)" in section(text, "Limits")
    own, _ = card(corpus="mine", licence="own")
    assert rows_of(section(own, "Data and licences"))[2][1] == "a corpus of the user's own"


def test_figures_are_those_of_the_evaluation(card):
    text, figures = card()
    assert f"UA {figures['ua']:.1f} %" in text
    for label, *cells in rows_of(section(text, "Each emotion"))[2:]:
        assert cells[0] == f"{figures['per_class'][label]['recall']:.1f}"
        assert int(cells[4]) == figures["per_class"][label]["support"]


def test_a_metric_of_the_table_has_a_row_and_where_it_is_taken_by_sex_a_column(card, monkeypatch):
    added = Metric("brier", "Brier", "Brier score", lambda answers: 0.25, percent=False, by_sex=True)
    monkeypatch.setitem(METRICS, "brier", added)
    text, figures = card()
    rows = rows_of(section(text, "Figures"))
    assert ["Brier score", "0.250"] in rows and ["macro F1", f"{figures['macro_f1']:.1f} %"] in rows
    assert ["expected calibration error", f"{figures['ece']:.3f}"] in rows
    assert "macro recall" not in {name for name, _ in rows}  # is UA
    header, rule, *sexes = rows_of(section(text, "Each sex"))
    assert header == ["sex", "UA", "accuracy", "Brier score", "speakers", "utterances"] and len(rule) == 6
    assert [row[3] for row in sexes] == ["0.250", "0.250"]


def test_each_sex_has_its_speakers_and_utterances(card):
    text, figures = card()
    rows = rows_of(section(text, "Each sex"))[2:]
    assert [row[0] for row in rows] == ["female", "male"]
    assert [row[3] for row in rows] == ["3", "3"]
    assert [row[4] for row in rows] == ["55", "60"]  # the first woman has no utterance of one emotion
    assert rows[0][1] == f"{figures['per_sex']['female']['ua']:.1f}"


def test_confusion_is_in_percent_of_the_true_emotion(card):
    rows = rows_of(section(card()[0], "Which emotions it confuses"))[2:]
    assert [row[0] for row in rows] == list(LABELS)
    for row in rows:
        assert sum(map(int, row[1:])) == pytest.approx(100, abs=2)


def test_calibration_counts_every_answer_once(card):
    rows = rows_of(section(card()[0], "How far its probabilities can be trusted"))[2:]
    assert sum(int(row[3]) for row in rows) == len(utterances())


def test_non_commercial_and_share_alike_obligations_are_stated(card):
    text, _ = card(licence="CC BY-NC-SA 4.0", corpus="ravdess")
    summary = text.partition("\n## ")[0]
    for words in ("CC BY-NC-SA 4.0", "Non-commercial use only", "same licence", "Name the authors"):
        assert words in summary


def test_public_domain_has_no_obligation(card):
    assert "Non-commercial" not in card()[0]


def test_the_warning_of_synthetic_speech_comes_first(card):
    text, _ = card(licence="Apache-2.0 (synthetic)", corpus="demo")
    assert text.index("Synthetic speech") < text.index("UA ")
    assert "Synthetic speech" not in card()[0]


def test_speaker_dependent_figures_are_labelled(card):
    text, _ = card(speaker_independent=False)
    assert "that were in its training data" in text.partition("\n## ")[0]
    assert "**speaker-dependent**" in text


def test_the_same_results_make_the_same_card_with_the_hash_of_the_data(card):
    assert card()[0] == card()[0]
    assert "cd" * 32 in card()[0]


def test_speakers_of_unknown_sex_are_not_a_group(card):
    text, _ = card(speakers=("s1", "s2", "s3"))
    assert "does not state the sex" in section(text, "Each sex")


@pytest.mark.parametrize(("agreeing", "said"), [(10, "as in all folds: dropout 0.2"), (3, "3 of 10 folds found them")])
def test_the_card_states_how_the_shipped_model_was_fitted(card, agreeing, said):
    text = section(card(agreeing=agreeing)[0], "How it was measured")
    assert said in text and "12 epochs" in text


INT8 = {"int8": {"ua": 70.2}, "int8-cpu": {"ua": 69.9}}
TUNED = {"qat-int8": {"ua": 71.0}, "qat-int8-cpu": {"ua": 70.8}}
MEASURED = "UA of the models of 10 folds on their test speakers: FP32 71.2 %, calibrated 70.2 % (int8) and 69.9 %"


@pytest.mark.parametrize(
    ("done", "said"),
    [
        ("not needed", f"; up to 0.5 points nothing is fine-tuned. {MEASURED} (int8-cpu)."),
        ("no better", "; the INT8 files are only calibrated, since quantisation-aware fine-tuning made them no better"),
        (
            "kept",
            f"; the INT8 files were fine-tuned for 7 epochs with simulated INT8 rounding. {MEASURED} (int8-cpu), fine",
        ),
    ],
)
def test_int8_fine_tuning_is_stated_with_its_figures(card, done, said):
    worth = {"fp32": {"ua": 71.2}, **INT8, **({} if done == "not needed" else TUNED)}
    qat = {"done": done, "when_loss": 0.5, "loss": {"inner": 0.8, "test": 1.3}, "epochs": 7, "folds": 10, "test": worth}
    told = section(card(qat=qat)[0], "On the device")
    assert "INT8 with calibration only loses 0.8 points of UA" in told
    assert said in told
    assert ("fine-tuned 71.0 % (int8) and 70.8 % (int8-cpu)." in told) == (done != "not needed")
    assert "fine-tuned" not in card()[0]


def test_the_data_are_those_of_the_fit_even_if_only_one_speaker_was_tested(card):
    whole, _ = card()
    text, _ = card(tested=SPEAKERS[:1])
    assert rows_of(section(text, "Data and licences")) == rows_of(section(whole, "Data and licences"))
    assert "The figures are of 15 utterances among them." in section(text, "Data and licences")
    assert "The figures are of" not in section(whole, "Data and licences")


def test_with_one_tested_speaker_there_is_no_interval(card):
    text, figures = card(tested=SPEAKERS[:1])
    assert f"UA {figures['ua']:.1f} % (of one speaker only)" in text
    assert "interval of UA" not in text

"""Pictures are complete, reproducible to the byte, and show what they should."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from made_up_results import curves, predictions, units, utterances
from speech_emotion.evaluation.results import SystemResult, Units
from speech_emotion.evaluation.scoring import score
from speech_emotion.params import Evaluate
from speech_emotion.reporting import figures

PARAMS = Evaluate(calibration_bins=15, bootstrap_draws=200, confidence=0.95, permutation_draws=200, seed=0)
ROWS = utterances()
SETTING = "emodb · emodb-loso (speaker-independent) · 6 folds · 1 seed"


def result(system: str, skill: float, **changed) -> SystemResult:
    table = predictions(ROWS, system, skill).sort_values(["seed", "fold", "id"], ignore_index=True)
    return SystemResult(system, Units.model_validate(units(table, **changed)), table, curves(table, system))


RESULTS = [result("a", 0.8), result("b", 0.4)]
METRICS = {one.system: score(one, pd.Series({row.id: row.sex for row in ROWS}), PARAMS) for one in RESULTS}
DRAW = {
    "confusion": lambda path: figures.confusion_matrix(path, RESULTS[0], SETTING),
    "curves": lambda path: figures.learning_curves(path, RESULTS[0], SETTING),
    "comparison": lambda path: figures.comparison_bars(path, RESULTS, METRICS, SETTING),
    "recall": lambda path: figures.recall_bars(path, RESULTS, METRICS, SETTING),
}


@pytest.fixture
def drawn(monkeypatch) -> list[Figure]:
    """The figures that were saved, for inspection."""
    kept = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *args, **kw: (kept.append(self), save(self, *args, **kw)))
    return kept


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in (*axes.texts, axes.title, *axes.get_xticklabels())]


@pytest.mark.parametrize("name", DRAW)
def test_the_same_results_give_the_same_bytes_without_date_or_version(tmp_path, name):
    for file in ("one.png", "two.png"):
        DRAW[name](tmp_path / file)
    data = (tmp_path / "one.png").read_bytes()
    assert data == (tmp_path / "two.png").read_bytes()
    assert b"tEXt" not in data and b"tIME" not in data


@pytest.mark.parametrize("name", DRAW)
def test_nothing_is_cut_off_at_the_edges(tmp_path, name):
    DRAW[name](tmp_path / "one.png")
    image = imread(tmp_path / "one.png")[..., :3]
    edges = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    assert (edges == 1).all()
    assert (image < 0.5).any()


@pytest.mark.parametrize("name", DRAW)
def test_every_picture_shows_the_setting(tmp_path, drawn, name):
    DRAW[name](tmp_path / "one.png")
    assert SETTING in texts(drawn[0])


def test_confusion_shows_percent_of_the_row_and_counts(tmp_path, drawn):
    DRAW["confusion"](tmp_path / "one.png")
    table = RESULTS[0].predictions
    anger = table[table["emotion"] == "anger"]
    hits = int((anger["predicted"] == "anger").sum())
    image = np.asarray(drawn[0].axes[0].images[0].get_array())
    assert image[0, 0] == pytest.approx(100 * hits / len(anger))
    assert image.sum(axis=1) == pytest.approx(np.full(4, 100))
    assert {str(hits), f"{100 * hits / len(anger):.0f}"} <= set(texts(drawn[0]))


def test_confusion_of_an_emotion_without_utterances_has_an_empty_row(tmp_path, drawn):
    table = predictions(ROWS, "a", labels=("fear", "anger", "happiness", "neutral", "sadness"))
    one = SystemResult("a", Units.model_validate(units(table)), table, pd.DataFrame())
    figures.confusion_matrix(tmp_path / "one.png", one, SETTING)
    assert (drawn[0].axes[0].images[0].get_array()[0] == 0).all()


def test_a_system_without_epochs_has_no_curves(tmp_path):
    one = SystemResult("a", RESULTS[0].units, RESULTS[0].predictions, RESULTS[0].curves.iloc[:0])
    assert figures.learning_curves(tmp_path / "one.png", one, SETTING) is False
    assert not (tmp_path / "one.png").exists()


def test_curves_without_validation_show_only_the_loss(tmp_path, drawn):
    bare = RESULTS[0].curves.assign(valid_loss=np.nan, valid_ua=np.nan)
    one = SystemResult("a", RESULTS[0].units, RESULTS[0].predictions, bare)
    assert figures.learning_curves(tmp_path / "one.png", one, SETTING)
    assert len(drawn[0].axes[0].lines) == 6 + 1


def test_the_mean_curve_is_over_runs_that_reached_the_epoch_and_ends_with_half_of_them(tmp_path, drawn):
    rows = [
        ("a", fold, 0, epoch, float(fold), 1.0, 0.5)
        for fold, last in ((1, 2), (2, 4), (4, 6))
        for epoch in range(1, last + 1)
    ]
    table = pd.DataFrame(rows, columns=RESULTS[0].curves.columns)
    figures.learning_curves(
        tmp_path / "one.png", SystemResult("a", RESULTS[0].units, RESULTS[0].predictions, table), SETTING
    )
    mean = next(line for line in drawn[0].axes[0].lines if line.get_label() == "training")
    assert mean.get_xdata().tolist() == [1, 2, 3, 4]
    assert mean.get_ydata() == pytest.approx([7 / 3, 7 / 3, 3, 3])


def test_comparison_has_the_best_on_top_with_its_interval(tmp_path, drawn):
    figures.comparison_bars(tmp_path / "one.png", RESULTS[::-1], METRICS, SETTING)
    axes = drawn[0].axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["B made up", "A made up"]
    assert [bar.get_width() for bar in axes.patches] == [METRICS["b"]["ua"], METRICS["a"]["ua"]]
    (whiskers,) = axes.collections
    ends = sorted(segment[:, 0].tolist() for segment in whiskers.get_segments())
    assert ends == [pytest.approx([METRICS[s]["ua_low"], METRICS[s]["ua_high"]]) for s in ("b", "a")]


def test_recall_bars_are_the_recalls(tmp_path, drawn):
    DRAW["recall"](tmp_path / "one.png")
    heights = [bar.get_height() for bar in drawn[0].axes[0].patches]
    assert heights == [each["recall"] for s in ("a", "b") for each in METRICS[s]["per_class"].values()]


def test_a_system_without_an_interval_has_a_bar_and_no_whisker(tmp_path, drawn):
    metrics = {
        name: {key: one[key] for key in one if key not in ("ua_low", "ua_high")} for name, one in METRICS.items()
    }
    figures.comparison_bars(tmp_path / "one.png", RESULTS, metrics, SETTING)
    (whiskers,) = drawn[0].axes[0].collections
    assert not any(len(segment) and np.isfinite(segment).all() for segment in whiskers.get_segments())

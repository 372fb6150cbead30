"""The exact text of the pages of runs."""

from pathlib import Path

import pytest

from made_up_results import LABELS
from speech_emotion.tracking import notes
from speech_emotion.tracking.entries import Dataset

EXPECTED = Path(__file__).parent / "expected"
DATASET = Dataset(
    name="emodb",
    digest="ab" * 32,
    source="data/emodb",
    version={"dvc": "77.dir", "remote": "s3://speech/store"},
    profile={"utterances": 535, "speakers": 10},
    licences=("CC0-1.0",),
)
TAGS = {
    "corpus": "emodb",
    "protocol": "emodb-loso",
    "speaker_independent": "true",
    "synthetic": "false",
    "revision": "0123abc",
    "deployable": "yes",
}
UNITS = {"title": "K2 made up", "system": "k2", "paper": "made-up", "folds": 10, "seeds": [0, 1]}
METRICS = {
    "ua": 61.5, "ua_low": 55.2, "ua_high": 66.04, "ua_fold_std": 7.0, "ua_seed_std": 0.52, "wa": 63.0, "macro_f1": 60.2,
    "ece": 0.1234,
}  # fmt: skip
BUNDLE = {"title": "K2 made up", "system": "k2", "labels": LABELS}
CHECK = {"fp32": {"max_difference": 1e-7}, "int8": {"agreement": 0.98}}
PAGES = {
    "system": notes.of_system(UNITS, METRICS, TAGS, DATASET),
    "comparison": notes.of_comparison({"k2": METRICS, "t2": {"ua": 80.0, "wa": 81.0}}, TAGS, DATASET),
    "model": notes.of_model(BUNDLE, METRICS, CHECK, TAGS, DATASET),
}


@pytest.mark.parametrize("kind", PAGES)
def test_the_whole_page(kind):
    assert PAGES[kind] == (EXPECTED / f"note-{kind}.md").read_text(encoding="utf-8")


def test_unknown_facts_are_left_out():
    tags = {name: value for name, value in TAGS.items() if name != "revision"}
    page = notes.of_system(UNITS, {"ua": 61.5, "wa": 63.0, "ua_fold_std": 7.0}, tags, DATASET)
    assert "| UA | 61.5 % | ± 7.0 over folds |\n" in page and "| macro F1 | - |" in page
    assert "ECE" not in page and "Revision" not in page
    assert "INT8" not in notes.of_model(BUNDLE, METRICS, {"fp32": {}, "int8": {}}, tags, DATASET)

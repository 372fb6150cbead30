"""Claims of the papers: those of the repository can be read, and faults are named."""

from pathlib import Path

import pytest

from speech_emotion.errors import UserError
from speech_emotion.evaluation.claims import read_claims
from speech_emotion.evaluation.metrics import METRICS

PAPERS = Path(__file__).parents[2] / "papers"

TEXT = """
title: A paper
claims:
  - {system: w1, corpus: emodb, protocol: emodb-random, wa: 85.72}
  - {system: w1, corpus: casia, protocol: null, wa: 80, macro_f1: 79}
  - {system: k2, corpus: emodb, protocol: null, ua: 50, features: [mfcc-13, energy], unit: window}
"""


@pytest.fixture
def papers(tmp_path) -> Path:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "claims.yaml").write_text(TEXT)
    return tmp_path


def test_only_claims_for_the_system_on_the_corpus_are_read(papers):
    (claim,) = read_claims(papers, "one", "w1", "casia")
    assert claim.figures == {"wa": 80, "macro_f1": 79}
    assert read_claims(papers, "one", "t2", "casia") == []


def test_conditions_say_what_differs(papers):
    assert read_claims(papers, "one", "w1", "emodb")[0].conditions == "protocol emodb-random"
    wordy = read_claims(papers, "one", "k2", "emodb")[0].conditions
    assert wordy == "split not stated; features mfcc-13, energy; scored by window"


def test_a_paper_without_claims_claims_nothing(papers):
    assert read_claims(papers, "two", "w1", "emodb") == []


@pytest.mark.parametrize(
    ("before", "after", "match"),
    [
        ("wa: 85.72", "wa: 850", r"claims\.0\.wa = 850: must be at most 100"),
        ("wa: 85.72", "accuracy: 85", r"claims\.0\.accuracy = 85: is not a known key"),
        ("protocol: emodb-random, ", "", r"claims\.0\.protocol: is missing"),
        ("title: A paper", "title: [", "not YAML"),
    ],
)
def test_a_fault_is_named(papers, before, after, match):
    (papers / "one" / "claims.yaml").write_text(TEXT.replace(before, after))
    with pytest.raises(UserError, match=match):
        read_claims(papers, "one", "w1", "emodb")


def test_every_claim_of_the_repository_gives_a_figure():
    files = sorted(PAPERS.glob("*/claims.yaml"))
    claims = [
        claim
        for path in files
        for system in ("w1", "k2", "t1", "t2")
        for corpus in ("emodb", "ravdess", "casia", "iemocap")
        for claim in read_claims(PAPERS, path.parent.name, system, corpus)
    ]
    assert claims and all(claim.figures and set(claim.figures) <= set(METRICS) for claim in claims)


def test_the_claim_of_wang_is_the_papers():
    (claim,) = read_claims(PAPERS, "wang-cl-jetson", "w1", "emodb")
    assert claim.figures == {"wa": 85.72} and claim.protocol == "emodb-random"

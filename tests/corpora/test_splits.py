import itertools
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_emotion.corpora.protocols import Protocol, load_protocol, select_utterances
from speech_emotion.corpora.splits import check_speakers, make_folds
from speech_emotion.errors import UserError

PROTOCOLS = Path(__file__).parents[2] / "protocols"
NAMES = sorted(path.stem for path in PROTOCOLS.glob("*.yaml"))
SPEAKERS = {
    "emodb": ["03", "08", "09", "10", "11", "12", "13", "14", "15", "16"],
    "ravdess": [f"{number:02d}" for number in range(1, 25)],
    "casia": ["liuchanhg", "wangzhe", "zhaoquanyin", "ZhaoZuoxiang"],
    "demo": [f"{number:02d}" for number in range(1, 9)],
    "iemocap": [f"Ses{session:02d}{sex}" for session in range(1, 6) for sex in "FM"],
}
EMOTIONS = ("anger", "boredom", "calm", "disgust", "excitement", "fear", "happiness", "neutral", "sadness", "surprise")


def _table(corpus):
    rows = [
        {
            "id": f"{corpus}/{speaker}-{emotion}-{take}",
            "corpus": corpus,
            "speaker": speaker,
            "emotion": emotion,
            "session": "speech" if corpus == "ravdess" else speaker[:5],
        }
        for speaker in SPEAKERS[corpus]
        for emotion in EMOTIONS
        for take in range(3)
    ]
    return pd.DataFrame(rows)


def _folds(name):
    protocol = load_protocol(name, PROTOCOLS)
    corpus = "emodb" if protocol.corpora == "any" else protocol.corpora[0]
    rows, _ = select_utterances(_table(corpus), protocol)
    return protocol, rows, make_folds(rows, protocol)


@pytest.mark.parametrize("name", NAMES)
def test_no_speaker_is_in_two_parts_of_a_speaker_independent_protocol(name):
    protocol, rows, folds = _folds(name)
    speaker = dict(zip(rows["id"], rows["speaker"], strict=True))
    for fold in folds:
        speakers = [{speaker[id] for id in part} for part in (fold.train, fold.valid, fold.test)]
        overlap = set().union(*(one & other for one, other in itertools.combinations(speakers, 2)))
        assert (not overlap) == protocol.speaker_independent


@pytest.mark.parametrize("name", NAMES)
def test_every_utterance_of_a_fold_is_in_exactly_one_part(name):
    _, rows, folds = _folds(name)
    for fold in folds:
        assert sorted([*fold.train, *fold.valid, *fold.test]) == sorted(rows["id"])


@pytest.mark.parametrize("name", [name for name in NAMES if load_protocol(name, PROTOCOLS).inner])
def test_folds_test_every_utterance_once(name):
    _, rows, folds = _folds(name)
    assert sorted(id for fold in folds for id in fold.test) == sorted(rows["id"])


def test_validation_is_the_next_folds_test():
    _, _, folds = _folds("ravdess-actors")
    assert folds[0].valid == folds[1].test
    assert folds[-1].valid == folds[0].test


def test_the_split_of_kth_has_the_sizes_of_the_paper(corpora):
    names = sorted(path.stem for path in (corpora / "emodb" / "wav").glob("*.wav"))
    letters = {
        "W": "anger",
        "L": "boredom",
        "E": "disgust",
        "A": "fear",
        "F": "happiness",
        "T": "sadness",
        "N": "neutral",
    }
    table = pd.DataFrame(
        [{"id": name, "corpus": "emodb", "speaker": name[:2], "emotion": letters[name[5]]} for name in names]
    )
    protocol = load_protocol("emodb-kth", PROTOCOLS)
    (fold,) = make_folds(select_utterances(table, protocol)[0], protocol)
    assert (len(fold.train), len(fold.valid), len(fold.test)) == (408, 56, 71)


def _independent(folds, **more):
    return Protocol(title="t", corpora="any", speaker_independent=True, labels="any", folds=folds, **more)


@given(st.integers(3, 12), st.integers(0, 1000))
def test_leaving_each_speaker_out_is_disjoint_for_any_number_of_speakers(speakers, order):
    rows = pd.DataFrame(
        [
            {"id": f"u{s}-{n}", "speaker": f"s{s * 7919 % 101}", "label": "ab"[n % 2]}
            for s in range(speakers)
            for n in range(2)
        ]
    ).sample(frac=1, random_state=order)
    folds = make_folds(rows, _independent({"each": "speaker"}, inner="next"))
    check_speakers(rows, folds)
    assert len(folds) == rows["speaker"].nunique()


def test_the_order_of_rows_does_not_change_the_folds():
    protocol, rows, folds = _folds("emodb-random")
    assert make_folds(rows.sample(frac=1, random_state=1), protocol) == folds


def test_a_speaker_in_two_parts_is_refused():
    _, rows, folds = _folds("emodb-loso")
    rows = rows.assign(speaker="one")
    with pytest.raises(UserError, match="speaker one is in two parts"):
        check_speakers(rows, folds)


def test_sessions_that_share_a_speaker_are_refused():
    rows = pd.DataFrame(
        [
            {"id": f"u{n}", "speaker": "same" if n < 2 else f"s{n}", "session": f"{n}", "label": "ab"[n % 2]}
            for n in range(6)
        ]
    )
    with pytest.raises(UserError, match="speaker same is in two parts"):
        make_folds(rows, _independent({"each": "session"}, inner="next"))


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([["a"], ["b"]], "need at least three"),
        ([["a"], ["b"], ["a", "c"]], "speaker a is listed twice"),
        ([["a"], ["b"], ["d"]], "speaker c is in no group"),
        ([["a"], ["b"], ["c", "d"]], "speaker d is not in the corpus"),
    ],
)
def test_groups_that_do_not_fit_the_corpus_are_refused(groups, message):
    rows = pd.DataFrame({"id": ["1", "2", "3"], "speaker": ["a", "b", "c"], "label": ["x", "y", "x"]})
    with pytest.raises(UserError, match=message):
        make_folds(rows, _independent({"groups": groups}, inner="next"))


@pytest.mark.parametrize("part", ["test", "valid"])
def test_a_speaker_of_a_fixed_fold_that_the_corpus_lacks_is_named(part):
    protocol = load_protocol("emodb-kth", PROTOCOLS)
    rows, _ = select_utterances(_table("emodb"), protocol)
    fixed = protocol.folds.fixed.model_copy(update={part: ["16", "8"]})
    wrong = protocol.model_copy(update={"folds": protocol.folds.model_copy(update={"fixed": fixed})})
    with pytest.raises(UserError, match=r"folds.fixed: speaker 8 is not in the corpus: must be one of 03, 08"):
        make_folds(rows, wrong)

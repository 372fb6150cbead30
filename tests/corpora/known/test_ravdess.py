"""RAVDESS, speech and song, from its file names."""

from collections import Counter

import pytest

from speech_emotion.corpora.known import ravdess
from speech_emotion.corpora.table import EMOTIONS, Labelled


def read(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return list(ravdess.read(root))


def test_name_gives_all_labels_of_a_spoken_file(tmp_path):
    path = "Actor_12/03-01-06-02-02-01-12.wav"
    assert read(tmp_path, path) == [
        Labelled(path, speaker="12", emotion="fear", sex="female", intensity="strong", text="02", session="speech")
    ]


def test_sung_files_are_beside_spoken_ones(tmp_path):
    entries = read(tmp_path, "Actor_01/03-01-05-01-01-01-01.wav", "Actor_01/03-02-05-01-01-01-01.wav")
    assert [(entry.session, entry.emotion, entry.sex) for entry in entries] == [
        ("speech", "anger", "male"),
        ("song", "anger", "male"),
    ]
    assert [ravdess.is_song(entry.path) for entry in entries] == [False, True]


def test_all_emotions_are_known_to_the_table():
    assert len(set(ravdess.EMOTIONS.values())) == 8
    assert set(ravdess.EMOTIONS.values()) <= set(EMOTIONS)


def test_unknown_emotion_number_is_kept_as_written(tmp_path):
    assert read(tmp_path, "Actor_01/03-01-09-01-01-01-01.wav")[0].emotion == "09"


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("Actor_01/01-01-05-01-01-01-01.wav", "modality 01"),
        ("Actor_01/03-03-05-01-01-01-01.wav", "vocal channel 03"),
        ("Actor_01/03-01-05-03-01-01-01.wav", "intensity 03"),
        ("Actor_01/03-01-05-01-03-01-01.wav", "statement 03"),
        ("Actor_25/03-01-05-01-01-01-25.wav", "actor 25"),
        ("Actor_02/03-01-05-01-01-01-01.wav", "differs from the folder Actor_02"),
        ("03-01-05-01-01-01-01.wav", "differs from the folder ."),
        ("Actor_01/03-01-05-01-01-01.wav", "scheme"),
    ],
)
def test_names_that_break_the_scheme_are_rejected(tmp_path, path, detail):
    (entry,) = read(tmp_path, path)
    assert entry.reason == "name"
    assert detail in entry.detail


def test_real_corpus_is_read_as_published(corpora):
    entries = list(ravdess.read(corpora / "ravdess"))
    assert len(entries) == 1440
    counts = Counter(entry.emotion for entry in entries)
    assert counts.pop("neutral") == 96
    assert set(counts.values()) == {192}
    assert Counter(entry.speaker for entry in entries) == {f"{actor:02d}": 60 for actor in range(1, 25)}
    assert {entry.session for entry in entries} == {"speech"}

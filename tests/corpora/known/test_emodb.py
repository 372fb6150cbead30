"""EMO-DB, from its file names."""

from collections import Counter

from speech_emotion.corpora.known import emodb
from speech_emotion.corpora.table import EMOTIONS, Labelled, Rejected


def read(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return list(emodb.read(root))


def test_name_gives_speaker_text_and_emotion(tmp_path):
    assert read(tmp_path, "wav/16b10Wa.wav") == [
        Labelled("wav/16b10Wa.wav", speaker="16", emotion="anger", sex="female", text="b10")
    ]


def test_each_letter_is_an_emotion(tmp_path):
    entries = read(tmp_path, *(f"wav/03a01{letter}a.wav" for letter in "WLEAFTN"))
    expected = ["fear", "disgust", "happiness", "boredom", "neutral", "sadness", "anger"]  # in the order of paths
    assert [entry.emotion for entry in entries] == expected
    assert set(emodb.EMOTIONS.values()) <= set(EMOTIONS)


def test_five_speakers_of_each_sex():
    assert Counter(emodb.SEXES.values()) == {"female": 5, "male": 5}


def test_unknown_letter_is_kept_as_written(tmp_path):
    assert [entry.emotion for entry in read(tmp_path, "wav/03a01Xa.wav")] == ["X"]


def test_names_that_break_the_scheme_are_rejected(tmp_path):
    broken = ["03a01Fa.wav", "wav/03a01F.wav", "wav/3a01Fa.wav", "wav/99a01Fa.wav", "wav/deep/03a01Fa.wav"]
    entries = read(tmp_path, *broken)
    assert {(entry.path, entry.reason) for entry in entries} == {(path, "name") for path in broken}


def test_other_files_are_stray_except_those_of_the_publisher(tmp_path):
    entries = read(
        tmp_path, "notes.docx", "wav/notes.txt", "lablaut/03a01Fa.lablaut", "erkennung.txt", "silb/03a01Fa.silb"
    )
    assert all(isinstance(entry, Rejected) and entry.reason == "stray" for entry in entries)
    assert [entry.path for entry in entries] == ["notes.docx", "wav/notes.txt"]


def test_real_corpus_is_read_as_published(corpora):
    entries = list(emodb.read(corpora / "emodb"))
    assert all(isinstance(entry, Labelled) for entry in entries)
    counts = Counter(entry.emotion for entry in entries)
    assert counts == {
        "anger": 127, "boredom": 81, "neutral": 79, "happiness": 71, "fear": 69, "sadness": 62, "disgust": 46,
    }  # fmt: skip
    assert {entry.speaker for entry in entries} == set(emodb.SEXES)
    assert len({entry.text for entry in entries}) == 10

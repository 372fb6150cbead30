"""The synthetic demo corpus, from its file names."""

from speech_emotion.corpora.known import demo
from speech_emotion.corpora.synthesis import script
from speech_emotion.corpora.table import EMOTIONS, Labelled


def read(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return list(demo.read(root))


def test_name_gives_speaker_sex_text_and_emotion(tmp_path):
    assert read(tmp_path, "04/04_t2_happiness_1.wav") == [
        Labelled("04/04_t2_happiness_1.wav", speaker="04", emotion="happiness", sex="male", text="t2")
    ]


def test_all_names_of_the_script_are_read_in_order(tmp_path):
    lines = script()
    entries = read(tmp_path, *(line.path for line in lines))
    assert [(entry.path, entry.speaker, entry.text, entry.emotion) for entry in entries] == [
        (line.path, line.speaker, line.text, line.emotion) for line in lines
    ]
    assert {entry.emotion for entry in entries} <= set(EMOTIONS)


def test_unknown_emotion_is_kept_as_written(tmp_path):
    assert [entry.emotion for entry in read(tmp_path, "01/01_t1_envy_1.wav")] == ["envy"]


def test_names_that_break_the_scheme_are_rejected(tmp_path):
    broken = [
        "01_t1_anger_1.wav",
        "01/02_t1_anger_1.wav",
        "01/01_t1_anger.wav",
        "01/01_t1_Anger_1.wav",
        "09/09_t1_anger_1.wav",
        "01/deep/01_t1_anger_1.wav",
    ]
    entries = read(tmp_path, *broken)
    assert {(entry.path, entry.reason) for entry in entries} == {(path, "name") for path in broken}


def test_unknown_speaker_is_rejected_with_the_list_of_known_ones(tmp_path):
    (entry,) = read(tmp_path, "09/09_t1_anger_1.wav")
    assert entry.detail == "speaker 09: must be one of 01, 02, 03, 04, 05, 06, 07, 08"


def test_notice_is_known_and_other_files_are_stray(tmp_path):
    entries = read(tmp_path, "README.txt", "notes.txt", "01/README.txt")
    assert [(entry.path, entry.reason) for entry in entries] == [("01/README.txt", "stray"), ("notes.txt", "stray")]


def test_licence_says_that_it_is_synthetic():
    assert "synthetic" in demo.CORPUS.licence

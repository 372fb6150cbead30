"""IEMOCAP, from made-up label files in its layout."""

import pytest

from speech_emotion.corpora.known import iemocap
from speech_emotion.corpora.table import EMOTIONS, Labelled

LABELS = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()
A-E3:\tval 3; act 2; dom  2;\t()

[10.0100 - 11.3925]\tSes01F_impro01_M001\texc\t[4.0000, 4.0000, 2.5000]
C-E2:\tExcited;\t()

[12.0000 - 13.5000]\tSes01F_impro01_F002\txxx\t[2.0000, 2.5000, 2.0000]
"""
WORDS = """Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.
Ses01F_impro01_M001 [010.0100-011.3925]: Yeah, there's a line [LAUGHTER].
M: a line without a turn
"""
FOLDER = "Session1/sentences/wav/Ses01F_impro01"


@pytest.fixture
def root(tmp_path):
    put(tmp_path, "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt", LABELS)
    put(tmp_path, "Session1/dialog/transcriptions/Ses01F_impro01.txt", WORDS)
    for turn in ("F000", "M001", "F002"):
        put(tmp_path, f"{FOLDER}/Ses01F_impro01_{turn}.wav")
    return tmp_path


def put(root, path, text=""):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text, encoding="utf-8")


def by_name(root):
    return {entry.path.rpartition("/")[2]: entry for entry in iemocap.read(root)}


def test_turns_get_speaker_label_words_and_session(root):
    entries = by_name(root)
    assert entries["Ses01F_impro01_F000.wav"] == Labelled(
        path=f"{FOLDER}/Ses01F_impro01_F000.wav",
        speaker="Ses01F",
        emotion="neutral",
        sex="female",
        text="Excuse me.",
        session="Session1",
    )
    other = entries["Ses01F_impro01_M001.wav"]
    assert (other.speaker, other.sex, other.emotion) == ("Ses01M", "male", "excitement")
    assert other.text == "Yeah, there's a line [LAUGHTER]."


def test_turn_without_agreement_is_rejected(root):
    assert by_name(root)["Ses01F_impro01_F002.wav"].reason == "no-agreement"


def test_all_labels_of_the_corpus_are_known_to_the_table():
    assert len(set(iemocap.EMOTIONS.values())) == 10
    assert set(iemocap.EMOTIONS.values()) <= set(EMOTIONS)


def test_recording_without_a_label_is_rejected(root):
    put(root, f"{FOLDER}/Ses01F_impro01_M099.wav")
    assert by_name(root)["Ses01F_impro01_M099.wav"].reason == "unlabelled"


def test_label_without_a_recording_is_named(root):
    (root / FOLDER / "Ses01F_impro01_M001.wav").unlink()
    entry = by_name(root)["Ses01F_impro01_M001.wav"]
    assert (entry.path, entry.reason) == (f"{FOLDER}/Ses01F_impro01_M001.wav", "missing")


def test_two_labels_for_one_turn_are_rejected(root):
    line = "[6.2901 - 8.2357]\tSes01F_impro01_F000\tang\t[2.5000, 2.5000, 2.5000]\n"
    put(root, "Session1/dialog/EmoEvaluation/copy.txt", line)
    entry = by_name(root)["Ses01F_impro01_F000.wav"]
    assert (entry.reason, "anger" in entry.detail, "ang, neu" in entry.detail) == ("doubled", False, True)


def test_recording_in_the_wrong_session_is_rejected(root):
    put(root, "Session2/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav")
    reasons = [entry.reason for entry in iemocap.read(root) if entry.path.startswith("Session2")]
    assert reasons == ["name"]


def test_hidden_label_files_and_judges_own_files_are_not_read(root):
    line = "[6.2901 - 8.2357]\tSes01F_impro01_F000\tang\t[2.5000, 2.5000, 2.5000]\n"
    put(root, "Session1/dialog/EmoEvaluation/._Ses01F_impro01.txt", line)
    put(root, "Session1/dialog/EmoEvaluation/Categorical/Ses01F_impro01_e2_cat.txt", line)
    put(root, "Session1/dialog/MOCAP_head/Ses01F_impro01.txt", line)
    assert by_name(root)["Ses01F_impro01_F000.wav"].emotion == "neutral"


def test_scripted_turns_with_letters_are_read(root):
    turn = "Ses01M_script01_1b_F013"
    put(root, f"Session1/sentences/wav/Ses01M_script01_1b/{turn}.wav")
    put(root, "Session1/dialog/EmoEvaluation/Ses01M_script01_1b.txt", f"[1.0 - 2.0]\t{turn}\tfru\t[2.0, 3.0, 3.0]\n")
    entry = by_name(root)[f"{turn}.wav"]
    assert (entry.speaker, entry.emotion, entry.text) == ("Ses01F", "frustration", None)


def test_other_files_are_stray(root):
    put(root, "notes.docx")
    assert by_name(root)["notes.docx"].reason == "stray"

"""CASIA, from made-up folders in its layout."""

from speech_emotion.corpora.known import casia
from speech_emotion.corpora.table import EMOTIONS, Labelled


def read(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return list(casia.read(root))


def test_folders_give_speaker_and_emotion(tmp_path):
    assert read(tmp_path, "liuchanhg/angry/201.wav", "wangzhe/sad/201.wav") == [
        Labelled("liuchanhg/angry/201.wav", speaker="liuchanhg", emotion="anger", text="201"),
        Labelled("wangzhe/sad/201.wav", speaker="wangzhe", emotion="sadness", text="201"),
    ]


def test_all_six_emotions_are_known_to_the_table(tmp_path):
    entries = read(tmp_path, *(f"wangzhe/{name}/201.wav" for name in casia.EMOTIONS))
    assert len({entry.emotion for entry in entries}) == 6
    assert {entry.emotion for entry in entries} <= set(EMOTIONS)


def test_unknown_folder_is_kept_as_written(tmp_path):
    assert read(tmp_path, "wangzhe/bored/201.wav")[0].emotion == "bored"


def test_files_outside_the_layout_are_rejected(tmp_path):
    entries = read(tmp_path, "wangzhe/201.wav", "wangzhe/angry/x.wav", "wangzhe/angry/deep/201.wav", "readme.txt")
    assert {entry.path: entry.reason for entry in entries} == {
        "readme.txt": "stray",
        "wangzhe/201.wav": "name",
        "wangzhe/angry/deep/201.wav": "name",
        "wangzhe/angry/x.wav": "name",
    }

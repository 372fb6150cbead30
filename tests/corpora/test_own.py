"""The user's own corpora, given as a CSV table."""

import pytest

from speech_emotion.corpora import own
from speech_emotion.corpora.table import Labelled
from speech_emotion.errors import UserError


@pytest.fixture
def root(tmp_path):
    for path in ("a.wav", "b.wav", "deep/c.flac"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    return tmp_path


def read(root, text, encoding="utf-8"):
    (root / "utterances.csv").write_text(text, encoding=encoding)
    return list(own.read(root))


def faults(root, text, encoding="utf-8"):
    with pytest.raises(UserError) as error:
        read(root, text, encoding)
    return str(error.value).splitlines()


ALL = "a.wav,anna,anger\nb.wav,ben,neutral\ndeep/c.flac,ben,anger\n"


def test_three_columns_are_enough(root):
    assert read(root, "path,speaker,emotion\n" + ALL) == [
        Labelled("a.wav", "anna", "anger"),
        Labelled("b.wav", "ben", "neutral"),
        Labelled("deep/c.flac", "ben", "anger"),
    ]


def test_all_columns_in_any_order(root):
    text = (
        "emotion,path,speaker,start,end,sex,intensity,text,session,licence\n"
        'anger,a.wav,anna,1.5,2.25,female,strong,"So, what?",s1,CC0-1.0\n'
        "neutral,a.wav,ben,0,1.5,,,,,\n"
    )
    second, first = read(root, text)[1::-1]
    assert first == Labelled("a.wav", "ben", "neutral", end=1.5)
    assert second == Labelled(
        "a.wav", "anna", "anger", sex="female", intensity="strong", text="So, what?", session="s1", start=1.5, end=2.25,
        licence="CC0-1.0",
    )  # fmt: skip


def test_spreadsheet_exports_with_a_byte_order_mark_and_empty_lines_are_read(root):
    assert len(read(root, "path,speaker,emotion\r\n\r\na.wav, anna ,anger\r\n,,\r\n", "utf-8-sig")) == 3
    assert read(root, "path,speaker,emotion\r\na.wav, anna ,anger\r\n", "utf-8-sig")[0].speaker == "anna"


def test_audio_without_a_row_and_stray_files_are_rejected(root):
    (root / "notes.docx").touch()
    entries = read(root, "path,speaker,emotion\na.wav,anna,anger\n")
    assert [(entry.path, entry.reason) for entry in entries[1:]] == [
        ("b.wav", "unlisted"),
        ("deep/c.flac", "unlisted"),
        ("notes.docx", "stray"),
    ]


@pytest.mark.parametrize("path", ["../a.wav", "/etc/passwd", "deep/../../a.wav", "C:\\a.wav"])
def test_path_that_leaves_the_folder_is_rejected(root, path):
    entries = read(root, f"path,speaker,emotion\n{path},anna,anger\n" + ALL)
    assert [(entry.path, entry.reason) for entry in entries if not isinstance(entry, Labelled)] == [(path, "outside")]


def test_path_through_a_link_is_rejected(root):
    (root / "linked").symlink_to(root / "deep")
    entries = read(root, "path,speaker,emotion\nlinked/c.flac,anna,anger\n" + ALL)
    assert {(entry.path, entry.reason) for entry in entries if not isinstance(entry, Labelled)} == {
        ("linked/c.flac", "outside"),
        ("linked", "outside"),
    }


def test_path_that_does_not_exist_is_rejected(root):
    entries = read(root, "path,speaker,emotion\nnone.wav,anna,anger\n" + ALL)
    assert [entry.reason for entry in entries if entry.path == "none.wav"] == ["missing"]


def test_missing_table(root):
    with pytest.raises(UserError, match=r"utterances\.csv: no such file"):
        list(own.read(root))


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        ("path,speaker", "column emotion is missing"),
        ("path,speaker,emotion,mood", "column 'mood' is unknown"),
        ("path,speaker,emotion,sex,sex", "column sex occurs twice"),
        ("path;speaker;emotion", "not separated by commas"),
        ("", "is empty"),
    ],
)
def test_header_that_does_not_fit(root, header, fault):
    (line,) = faults(root, f"{header}\n")
    assert fault in line


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("a.wav,,anger,,,", "line 2: speaker is empty"),
        ("a.wav,anna,,,,", "line 2: emotion is empty"),
        (",anna,anger,,,", "line 2: path is empty"),
        ("a.wav,anna,anger,f,,", "line 2: sex = f: must be female or male"),
        ("a.wav,anna,anger,,x,", "line 2: start = x: must be a number"),
        ("a.wav,anna,anger,,-1,", "line 2: start = -1: must be a number"),
        ("a.wav,anna,anger,,nan,", "line 2: start = nan: must be a number"),
        ("a.wav,anna,anger,,2,1", "line 2: end = 1: must be after the start"),
        ("a.wav,anna,anger", "line 2: 3 cells for 6 columns"),
    ],
)
def test_row_that_does_not_fit(root, row, fault):
    (line,) = faults(root, f"path,speaker,emotion,sex,start,end\n{row}\n")
    assert fault in line


def test_duplicate_rows_are_refused_also_with_another_spelling(root):
    (line,) = faults(root, "path,speaker,emotion\na.wav,anna,anger\n./a.wav,anna,fear\n")
    assert "line 3: a.wav is already in line 2" in line


def test_many_faults_are_counted_after_the_first_ten(root):
    lines = faults(root, "path,speaker,emotion\n" + "a.wav,,anger\n" * 13)
    assert len(lines) == 11
    assert lines[-1].endswith("and 3 more faults")


def test_table_in_another_encoding_is_refused(root):
    (line,) = faults(root, "path,speaker,emotion\na.wav,Jörg,anger\n", "latin-1")
    assert "is not UTF-8" in line


def test_open_quote_is_refused(root):
    (line,) = faults(root, 'path,speaker,emotion\na.wav,"anna,anger\n')
    assert "is not CSV" in line

from pathlib import Path

import pytest

from pipelines.environment import read_environment
from speech_emotion.errors import UserError


def written(folder: Path, text: str) -> Path:
    file = folder / "secrets.env"
    file.write_text(text)
    return file


def test_values_are_not_expanded(tmp_path):
    file = written(tmp_path, "# keys\nAWS_SECRET_ACCESS_KEY=a$b{c}=d\n\nGIT_TOKEN='two words'\n")
    assert read_environment(file) == {"AWS_SECRET_ACCESS_KEY": "a$b{c}=d", "GIT_TOKEN": "two words"}


def test_a_name_without_a_value_is_refused(tmp_path):
    with pytest.raises(UserError, match="GIT_TOKEN: has no value: write GIT_TOKEN=value"):
        read_environment(written(tmp_path, "GIT_TOKEN\n"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("A=1\n\n# keys\n\nGIT TOKEN=whispered\n", 5),
        ('A=1\nGIT_TOKEN="whispered\n', 2),
        ("GIT_TOKEN='whis'pered\n", 1),
        ("A='1\n2'\n=whispered\n", 3),
    ],
)
def test_a_malformed_line_is_reported_by_number_and_not_repeated(tmp_path, text, line):
    with pytest.raises(UserError, match=rf"secrets\.env: line {line}: is not NAME=VALUE: correct it") as caught:
        read_environment(written(tmp_path, text))
    assert "whis" not in str(caught.value)


def test_a_comment_starts_after_a_space_unless_the_value_is_quoted(tmp_path):
    file = written(tmp_path, "A=a #b\nB='a #b'\nC=a#b # c\n")
    assert read_environment(file) == {"A": "a", "B": "a #b", "C": "a#b"}


def test_a_file_in_another_encoding_is_refused_with_the_cure(tmp_path):
    (tmp_path / "secrets.env").write_bytes("GIT_TOKEN=schlüssel\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"secrets\.env: is not UTF-8: save it as UTF-8"):
        read_environment(tmp_path / "secrets.env")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.env: cannot be read"):
        read_environment(tmp_path / "none.env")

from pathlib import Path

import pytest

from pipelines.environment import read_environment
from speech_emotion.errors import UserError


def written(folder: Path, text: str) -> Path:
    file = folder / "secrets.env"
    file.write_text(text)
    return file


def test_values_are_taken_as_they_stand(tmp_path):
    file = written(tmp_path, "# keys\nAWS_SECRET_ACCESS_KEY=a$b{c}=d\n\nGIT_TOKEN='two words'\n")
    assert read_environment(file) == {"AWS_SECRET_ACCESS_KEY": "a$b{c}=d", "GIT_TOKEN": "two words"}


def test_a_name_without_a_value_is_refused(tmp_path):
    with pytest.raises(UserError, match="GIT_TOKEN: has no value: write GIT_TOKEN=value"):
        read_environment(written(tmp_path, "GIT_TOKEN\n"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.env: cannot be read"):
        read_environment(tmp_path / "none.env")

import pytest
import yaml

from speech_emotion.errors import UserError
from speech_emotion.yaml_files import parse_yaml, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-05", 1e-05), ("1e5", 1e5), ("-1E-2", -0.01), (".5e1", 5.0), ("1.0e-5", 1e-05), ("0.3", 0.3), ("12", 12)],
)
def test_every_notation_of_a_number_is_a_number(text, value):
    assert parse_yaml(text) == value
    assert type(parse_yaml(text)) is type(value)


@pytest.mark.parametrize("text", ["'1e5'", "12e", "e5", "abc1e5", "1e5x"])
def test_other_values_stay_text(text):
    assert isinstance(parse_yaml(text), str)


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 3", "a: {b: 1, b: 2}"])
def test_a_duplicate_key_is_refused(text):
    with pytest.raises(ValueError, match=r"key [ab] occurs twice: keep one .*line"):
        parse_yaml(text)


def test_merged_keys_may_be_overridden():
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}"
    assert parse_yaml(text) == yaml.safe_load(text)


def test_no_python_object_is_created():
    with pytest.raises(ValueError, match="could not determine a constructor"):
        parse_yaml("!!python/object/apply:os.getcwd []")


@pytest.mark.parametrize(
    ("content", "fault"), [(b"a: \xfc", "is not UTF-8 .*: save it as UTF-8"), (b"a: [", "not YAML")]
)
def test_an_unreadable_file_is_reported(tmp_path, content, fault):
    (tmp_path / "a.yaml").write_bytes(content)
    with pytest.raises(UserError, match=rf"a\.yaml: {fault}"):
        read_yaml(tmp_path / "a.yaml")

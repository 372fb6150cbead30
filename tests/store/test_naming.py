import pytest

from speech_emotion.store.naming import file_name


@pytest.mark.parametrize("name", ["03-0", "01+11+20+21-2", "Ses01F-0", "t1-Jürgen-0", "a.b-1"])
def test_a_safe_name_is_unchanged(name):
    assert file_name(name) == name


@pytest.mark.parametrize(
    "name", ["/tmp/x-0", "../../x-0", "S1/F-0", "..", ".hidden", "", "a b", "C:\\x", 200 * "n", "é" * 90]
)
def test_an_unsafe_name_becomes_one_that_stays_in_its_folder(name, tmp_path):
    made = file_name(name)
    (tmp_path / made).touch()
    assert [path.name for path in tmp_path.iterdir()] == [made]
    assert not made.startswith(".") and len(made.encode()) < 100


def test_different_names_stay_different():
    assert len({file_name(name) for name in ("a/b", "a b", "a:b", "a_b", 200 * "n", 201 * "n")}) == 6

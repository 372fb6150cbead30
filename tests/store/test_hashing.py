import hashlib

import pytest

from speech_emotion.store.hashing import canonical_json, hash_code, hash_json, sha256_file


def test_file_hash_is_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_file(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()


def test_key_order_does_not_change_the_hash():
    assert hash_json({"a": 1, "b": [1, 2]}) == hash_json({"b": [1, 2], "a": 1})
    assert hash_json({"a": 1}) != hash_json({"a": 2})


def test_nan_has_no_canonical_form():
    with pytest.raises(ValueError):
        canonical_json({"a": float("nan")})


def _code(tmp_path, text, name="m.py"):
    path = tmp_path / name
    path.write_text(text)
    return hash_code([path])


def test_comments_docstrings_and_layout_do_not_change_the_code_hash(tmp_path):
    plain = _code(tmp_path, "def f(x):\n    return x + 1\n")
    commented = _code(tmp_path, '"""Doc."""\n\n\ndef f(x):\n    """More."""\n    return (x + 1)  # why\n')
    assert plain == commented


def test_another_expression_changes_the_code_hash(tmp_path):
    assert _code(tmp_path, "a = 1\n") != _code(tmp_path, "a = 2\n")


def test_a_function_that_is_only_a_docstring_has_a_hash(tmp_path):
    assert _code(tmp_path, 'def f():\n    """Doc."""\n') != _code(tmp_path, 'def g():\n    """Doc."""\n')


def test_order_of_files_does_not_matter(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.py").write_text(f"x = '{name}'\n")
    assert hash_code([tmp_path / "a.py", tmp_path / "b.py"]) == hash_code([tmp_path / "b.py", tmp_path / "a.py"])

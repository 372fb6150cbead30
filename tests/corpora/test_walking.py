"""Files below a corpus's folder."""

import errno
import os

import pytest

from speech_emotion.corpora.walking import files_below, leaves, passes_through_link, unexpected
from speech_emotion.errors import UserError


def touch(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def test_files_are_sorted_and_hidden_ones_left_out(tmp_path):
    touch(tmp_path, "b/2.wav", "b/10.wav", "a.wav", ".DS_Store", "b/._2.wav", "__MACOSX/b/2.wav", ".git/config")
    assert files_below(tmp_path) == ["a.wav", "b/10.wav", "b/2.wav"]


def test_linked_folders_are_not_entered(tmp_path):
    touch(tmp_path, "elsewhere/a.wav", "corpus/b.wav")
    (tmp_path / "corpus/linked").symlink_to(tmp_path / "elsewhere")
    assert files_below(tmp_path / "corpus") == ["b.wav", "linked"]
    assert passes_through_link(tmp_path / "corpus", "linked/a.wav")
    assert not passes_through_link(tmp_path / "corpus", "b.wav")


@pytest.mark.parametrize(
    "path", ["../a.wav", "b/../../a.wav", "/a.wav", "\\a.wav", "..\\a.wav", "C:/a.wav", "C:\\a.wav"]
)
def test_paths_that_lead_out(path):
    assert leaves(path)


@pytest.mark.parametrize("path", ["a.wav", "b/a.wav", "b/..a.wav", "./a.wav", "a..wav"])
def test_paths_that_stay_inside(path):
    assert not leaves(path)


def test_files_outside_the_scheme_get_different_reasons(tmp_path):
    touch(tmp_path, "a.wav", "a.txt")
    (tmp_path / "b.wav").symlink_to(tmp_path / "a.wav")
    reasons = {path: unexpected(tmp_path, path, "X").reason for path in ("a.wav", "a.txt", "b.wav")}
    assert reasons == {"a.wav": "name", "a.txt": "stray", "b.wav": "outside"}


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    touch(tmp_path, "a.wav", "closed/b.wav")
    scan = os.scandir

    def scandir(path):
        if str(path).endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(UserError, match="closed: Permission denied: fix its permissions"):
        files_below(tmp_path)

import os
import shutil
from pathlib import Path

import pytest

from speech_emotion.store.atomic import atomic_file, atomic_folders, write_text


def test_a_file_appears_complete(tmp_path):
    write_text(tmp_path / "below" / "a.txt", "äöü\n")
    assert (tmp_path / "below" / "a.txt").read_text(encoding="utf-8") == "äöü\n"
    assert [path.name for path in (tmp_path / "below").iterdir()] == ["a.txt"]


def test_an_error_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_folders_replace_the_present_ones(tmp_path):
    old = tmp_path / "out"
    old.mkdir()
    (old / "stale").touch()
    with atomic_folders(old, tmp_path / "other") as (one, other):
        (one / "new").touch()
        (other / "new").touch()
        assert (old / "stale").exists()
    assert [path.name for path in old.iterdir()] == ["new"]
    assert (tmp_path / "other" / "new").exists()


def test_an_error_keeps_the_old_folders(tmp_path):
    old = tmp_path / "out"
    old.mkdir()
    (old / "kept").touch()
    with pytest.raises(RuntimeError), atomic_folders(old, tmp_path / "other") as (one, _):
        (one / "half").touch()
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert [path.name for path in old.iterdir()] == ["kept"]


def test_a_link_is_replaced_and_its_target_kept(tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    (target / "kept").touch()
    (tmp_path / "out").symlink_to(target)
    with atomic_folders(tmp_path / "out") as (one,):
        (one / "new").touch()
    assert not (tmp_path / "out").is_symlink()
    assert (target / "kept").exists()


def test_a_kill_while_the_old_folder_is_removed_leaves_the_new_one_complete(tmp_path, monkeypatch):
    old = tmp_path / "out"
    old.mkdir()
    (old / "stale").touch()

    def killed(path, **_options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(shutil, "rmtree", killed)
        with atomic_folders(old) as (one,):
            (one / "new").touch()
    assert [path.name for path in old.iterdir()] == ["new"]


def test_if_the_new_folder_cannot_be_moved_the_old_one_is_restored(tmp_path, monkeypatch):
    old = tmp_path / "out"
    old.mkdir()
    (old / "kept").touch()
    replace = os.replace

    def fails(source, target):
        if (Path(source) / "new").exists():
            raise OSError("no space")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="no space"), atomic_folders(old) as (one,):
        (one / "new").touch()
    assert [path.name for path in old.iterdir()] == ["kept"]

"""A stand-in for the program docker with answers chosen by the test, and a small project under git."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from made_up_checkout import commit, git

SCRIPT = """#!/bin/sh
echo "$@" >> "{log}"
case "$1" in
{answers}
esac
"""


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Callable[[], list[str]]]:
    """Puts a program docker on PATH: docker(build="exit 1", ...) sets a shell command for each of its subcommands.

    It returns a function that lists the calls so far.
    """
    folder, log = tmp_path / "bin", tmp_path / "calls"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def install(**answers: str) -> Callable[[], list[str]]:
        text = "\n".join(f"{command}) {answer} ;;" for command, answer in answers.items())
        program = folder / "docker"
        program.write_text(SCRIPT.format(log=log, answers=text))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return lambda: log.read_text().splitlines() if log.exists() else []

    return install


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A git repository with the files for an image, committed."""
    top = tmp_path / "checkout"
    for name in ("params.yaml", "src/code.py", "protocols/one.yaml", "docs/text.md"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(name)
    git(top, "init", "--quiet")
    commit(top)
    return top

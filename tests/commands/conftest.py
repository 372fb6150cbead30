"""A project's folder, as commands find it."""

import shutil
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with params.yaml, which is the working folder."""
    shutil.copy(TOP / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path

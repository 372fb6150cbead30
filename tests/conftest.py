"""Fixtures that all tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder with real speech, emodb/wav/*.wav and ravdess/Actor_*/*.wav; skips where CORPORA is not set."""
    folder = os.environ.get("CORPORA")
    if not folder:
        pytest.skip("needs real speech: set CORPORA=folder")
    path = Path(folder)
    assert path.is_dir(), f"CORPORA = {folder}: is not a folder"
    return path

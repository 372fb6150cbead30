"""Fixtures that all tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers import postgres_server


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder with real speech, emodb/wav/*.wav and ravdess/Actor_*/*.wav; skips where CORPORA is not set."""
    folder = os.environ.get("CORPORA")
    if not folder:
        pytest.skip("needs real speech: set CORPORA=folder")
    path = Path(folder)
    assert path.is_dir(), f"CORPORA = {folder}: is not a folder"
    return path


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Address of a real PostgreSQL server, postgresql://...; skips where none is installed."""
    with postgres_server() as url:
        yield url

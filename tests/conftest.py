"""Fixtures that all tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers import postgres_server

SERVICES = {"chromium", "image", "postgres", "tracking"}  # fixtures that start a server, a container or a browser


@pytest.hookimpl(tryfirst=True)  # before pytest selects by markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what needs Docker, a server or a browser, so that it can run as a part of its own (make test-services)."""
    for item in items:
        if item.get_closest_marker("docker") or SERVICES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.services)


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

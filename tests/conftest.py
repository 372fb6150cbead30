"""Fixtures that all tests share."""

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers import postgres_server

SLOW = Path(__file__).with_name("slow.txt")  # tests of which a case, or what it prepares, takes longer than
SLOW_SECONDS = 0.7
_seconds: dict[str, float] = defaultdict(float)
SERVICES = {"chromium", "image", "postgres", "tracking"}  # fixtures that start a server, a container or a browser


@pytest.hookimpl(tryfirst=True)  # before pytest selects by markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what needs Docker, a server or a browser (make test-services), and what is slow (make test-fast)."""
    slow = set(SLOW.read_text(encoding="utf-8").splitlines())
    for item in items:
        if item.get_closest_marker("docker") or SERVICES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.services)
        if _function(item.nodeid) in slow:
            item.add_marker(pytest.mark.slow)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    name = _function(report.nodeid)
    _seconds[name] = max(_seconds[name], report.duration)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With SLOW_WRITE=1 make test, tests/slow.txt is written from what was measured."""
    whole = session.config.option.markexpr == "not services"
    if os.environ.get("SLOW_WRITE") and whole and not hasattr(session.config, "workerinput"):
        slow = sorted(name for name, seconds in _seconds.items() if seconds > SLOW_SECONDS)
        SLOW.write_text("\n".join(slow) + "\n", encoding="utf-8")


def _function(nodeid: str) -> str:
    """The test's id without its parameters."""
    return nodeid.partition("[")[0]


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

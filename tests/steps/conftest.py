"""Fixtures for tests of steps tune, train and select: small made-up features."""

import pytest

from made_up_workplace import make_workplace


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A working folder with params, protocol, table and features of four speakers."""
    monkeypatch.chdir(tmp_path)
    return make_workplace(tmp_path)

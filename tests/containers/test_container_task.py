"""A task's container in a real Docker."""

import contextlib

import docker
import pytest

from pipelines.container_task import run_container

LABEL = "speech-emotion.test"


@pytest.fixture
def client():
    with contextlib.closing(docker.from_env()) as client:
        yield client


@pytest.mark.parametrize("status", [0, 3])
def test_a_container_that_ends_immediately_gives_status_and_output_and_is_removed(client, image, capsys, status):
    for attempt in range(5):
        command = ["sh", "-c", f"echo attempt {attempt}; exit {status}"]
        assert run_container(client, image, command, {}, labels={LABEL: "yes"}) == status
        assert capsys.readouterr().out == f"attempt {attempt}\n"
    assert not client.containers.list(all=True, ignore_removed=True, filters={"label": LABEL})

"""A task's container, tested without Docker: the exit status that kfp gets, and the output that is shown."""

from unittest import mock

import docker
import pytest
from kfp import local
from kfp.local.docker_task_handler import DockerTaskHandler
from kfp.local.status import Status

from pipelines.container_task import UNKNOWN, asked_before_removed, run_container


def engine(status: int = 0, said: tuple[bytes, ...] = ()) -> mock.MagicMock:
    """A stand-in for Docker's library with one container, which prints the pieces and ends with the status."""
    client = mock.MagicMock()
    container = client.containers.run.return_value
    container.logs.return_value = iter(said)
    container.wait.return_value = {"StatusCode": status}
    return client


@pytest.mark.parametrize(("status", "expected"), [(0, Status.SUCCESS), (3, Status.FAILURE)])
def test_kfp_gets_the_exit_status_before_the_container_is_removed(monkeypatch, status, expected):
    client = engine(status)
    monkeypatch.setattr(docker, "from_env", lambda: client)
    container = client.containers.run.return_value
    container.wait.side_effect = lambda: {"StatusCode": status} if not container.remove.called else None
    with asked_before_removed():
        handler = DockerTaskHandler("image", ["true"], "/runs", local.DockerRunner(user="1:1"), {"NAME": "value"})
        assert handler.run() is expected
    given = client.containers.run.call_args.kwargs
    assert "auto_remove" not in given
    assert (given["user"], given["environment"], given["detach"]) == ("1:1", {"NAME": "value"}, True)
    container.remove.assert_called_once_with(force=True)


def test_lines_and_characters_that_docker_splits_are_joined(capsys):
    said = "eins\nz", "wei ä".encode()[:-1], "ä".encode()[1:] + b"\r 40 %\r 90 %\r\nend"
    client = engine(said=tuple(piece if isinstance(piece, bytes) else piece.encode() for piece in said))
    assert run_container(client, "image", ["true"], {}) == 0
    assert capsys.readouterr().out.splitlines() == ["eins", "zwei ä", " 40 %", " 90 %", "end"]


def test_a_container_that_was_removed_from_outside_did_not_succeed():
    client = engine()
    container = client.containers.run.return_value
    container.wait.side_effect = docker.errors.NotFound("no such container")
    container.remove.side_effect = docker.errors.NotFound("no such container")
    assert run_container(client, "image", ["true"], {}) == UNKNOWN


def test_a_run_that_is_stopped_removes_its_container():
    client = engine()
    client.containers.run.return_value.wait.side_effect = KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        run_container(client, "image", ["true"], {})
    client.containers.run.return_value.remove.assert_called_once_with(force=True)

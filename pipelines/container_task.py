"""Runs one task's container: prints its output, reads its exit status and removes it."""

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import docker
from kfp.local import docker_task_handler

UNKNOWN = 1  # exit status of a container that was removed from outside


@contextlib.contextmanager
def asked_before_removed() -> Iterator[None]:
    """While the block runs, kfp runs the containers of its tasks through `run_container`.

    kfp 2.17 lets Docker remove a container as soon as it ends, and counts a container that is gone before its exit
    status was read as a success: a task that fails immediately may then not be retried.
    """
    before = docker_task_handler.run_docker_container
    docker_task_handler.run_docker_container = run_container
    try:
        yield
    finally:
        docker_task_handler.run_docker_container = before


def run_container(
    client: docker.DockerClient, image: str, command: Sequence[str], volumes: Mapping[str, Any], **arguments: Any
) -> int:
    """Runs a container until it ends and prints its output line by line.

    Args:
        client: of Docker's library.
        image: pulled if absent.
        command: of the task.
        volumes: folders of this machine that the task sees, as `client.containers.run` takes them.
        arguments: further arguments of `client.containers.run`.

    Returns:
        The container's exit status.
    """
    container = client.containers.run(image, command, volumes=volumes, detach=True, **arguments)
    try:
        for line in _lines(container.logs(stream=True)):
            print(line)
        return container.wait()["StatusCode"]
    except docker.errors.NotFound:
        return UNKNOWN
    finally:
        with contextlib.suppress(docker.errors.APIError):  # it was removed from outside
            container.remove(force=True)


def _lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """Lines of Docker's output, whose pieces may end within a line or a character; progress bars end lines by \\r."""
    rest = b""
    for piece in pieces:
        *whole, rest = re.split(rb"[\r\n]+", rest + piece)
        yield from (line.decode(errors="replace") for line in whole)
    if rest:
        yield rest.decode(errors="replace")

"""One task's container: started, listened to, asked how it ended, and removed after that."""

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import docker
from kfp.local import docker_task_handler

UNKNOWN = 1  # exit status of a container that somebody else removed


@contextlib.contextmanager
def asked_before_removed() -> Iterator[None]:
    """While the block runs, kfp runs its tasks' containers by `run_container`.

    kfp 2.17 lets Docker remove a container as soon as it ends, and takes one that is gone before it was asked for its
    exit status for a success: a task that fails at once may then not be tried again.
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
    """Runs a container to its end and prints what it says, line by line.

    Args:
        client: of Docker's library.
        image: pulled where it is absent.
        command: of the task.
        volumes: what the task sees of this machine.
        arguments: further ones of `client.containers.run`.

    Returns:
        Its exit status.
    """
    container = client.containers.run(image, command, volumes=volumes, detach=True, **arguments)
    try:
        for line in _lines(container.logs(stream=True)):
            print(line)
        return container.wait()["StatusCode"]
    except docker.errors.NotFound:
        return UNKNOWN
    finally:
        with contextlib.suppress(docker.errors.APIError):  # somebody else removed it
            container.remove(force=True)


def _lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """What Docker hands over ends in the middle of lines and of letters; a progress bar's line ends in a return."""
    rest = b""
    for piece in pieces:
        *whole, rest = re.split(rb"[\r\n]+", rest + piece)
        yield from (line.decode(errors="replace") for line in whole)
    if rest:
        yield rest.decode(errors="replace")

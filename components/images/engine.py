"""Calls the program docker."""

import json
import os
import subprocess
from collections.abc import Sequence
from typing import Any

from speech_emotion.errors import UserError


def check() -> None:
    """Raises UserError if docker is not installed or its daemon does not answer."""
    done = _run(["version", "--format", "{{.Server.Version}}"])
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UserError(f"Docker: does not answer: start it, or become a member of the group docker ({reason})")


def labels(image: str) -> dict[str, str] | None:
    """The labels of an image; None if it is not on this machine.

    Raises:
        UserError: Docker cannot be used.
    """
    done = _run(["image", "inspect", "--format", "{{json .Config.Labels}}", image])
    if done.returncode:
        check()
        return None
    found: dict[str, Any] | None = json.loads(done.stdout)
    return found or {}


def tag(image: str, other: str) -> None:
    """Gives a local image a second name.

    Raises:
        UserError: Docker refuses.
    """
    done = _run(["image", "tag", image, other])
    if done.returncode:
        raise UserError(f"image {image}: cannot be tagged {other}: {done.stderr.strip()}")


def build(arguments: Sequence[str]) -> int:
    """Runs docker build with BuildKit, shows its messages and returns its status."""
    return subprocess.run(["docker", "build", *arguments], env={**os.environ, "DOCKER_BUILDKIT": "1"}).returncode


def push(image: str) -> tuple[int, str]:
    """Runs docker push and shows its messages as they come; returns its status and all messages."""
    command = ["docker", "push", image]
    said = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        for line in running.stdout or ():
            print(line, end="", flush=True)
            said.append(line)
    return running.returncode, "".join(said)


def _run(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UserError("docker: is not installed: install Docker Engine (docs.docker.com/engine/install)") from None

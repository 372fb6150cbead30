"""The runner that gives each task a container of the image that `make images` built, as a normal user."""

import contextlib
import os
import signal
import stat
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import docker
from kfp import local

from components.images.making import ready
from pipelines.container_task import asked_before_removed
from pipelines.settings import load_settings
from speech_emotion.errors import UserError

USER = 10001  # in the image; a person who is root works as it
SHARED_MEMORY = "1g"  # what workers of one task hand each other; Docker's own 64 MB are too few
PREFIXES = ("MLFLOW_", "AWS_", "PG")  # of variables that a step may need
ANOTHER = "name another folder by --root or --cache, for MLflow a server by MLFLOW_TRACKING_URI"
RUN_LABEL = "speech-emotion.run"
ALL = -1  # GPUs


def container_runner(
    root: Path,
    folders: Mapping[Path, bool],
    environment: Mapping[str, str],
    variables: frozenset[str] = frozenset(),
    gpu: bool = False,
) -> local.DockerRunner:
    """kfp's runner of containers; they are on this machine's network, where they reach its servers by their names.

    Args:
        root: folder of the runs, which receives outputs.
        folders: further folder that steps see at its own path -> whether they write into it.
        environment: what the components read.
        variables: names of further variables of this process that go along, beside those that the steps are known to
            need: what pipelines/cluster.yaml takes from secrets, and MLFLOW_..., AWS_..., PG...
        gpu: whether containers get all GPUs of this machine, and steps that train the CUDA image.

    Raises:
        UserError: Docker cannot be used or has no GPU to give, an image is not built, or a folder cannot be written by
            the steps' user.
    """
    image = ready()
    if gpu:
        ready("cuda")
    _check_library()
    devices = {"device_requests": [docker.types.DeviceRequest(count=ALL, capabilities=[["gpu"]])]} if gpu else {}
    if gpu:
        _check_gpu(image, devices)
    user, group = _user()
    _prepare(root, user, group, own=True)
    for folder, written in folders.items():
        if written:
            _prepare(folder, user, group)
    return local.DockerRunner(
        user=f"{user}:{group}",
        network_mode="host",
        shm_size=SHARED_MEMORY,
        init=True,  # a stop reaches all processes of a step
        labels={RUN_LABEL: uuid.uuid4().hex},
        mounts=[
            docker.types.Mount(str(path.resolve()), str(path.resolve()), type="bind", read_only=not written)
            for path, written in folders.items()
        ],
        environment={**_passed_on(variables), **environment},
        **devices,
    )


@contextlib.contextmanager
def ended_with_us(runner: local.DockerRunner) -> Iterator[None]:
    """Containers of this run that are there when the block is left, by Ctrl-C or SIGTERM too, are ended and removed."""
    before = signal.signal(signal.SIGTERM, lambda number, frame: signal.raise_signal(signal.SIGINT))
    try:
        with asked_before_removed():
            yield
    finally:
        signal.signal(signal.SIGTERM, before)
        label = f"{RUN_LABEL}={runner.container_run_args['labels'][RUN_LABEL]}"
        with contextlib.closing(docker.from_env()) as client:
            for container in client.containers.list(all=True, ignore_removed=True, filters={"label": label}):
                with contextlib.suppress(docker.errors.APIError):  # it was removed when it ended
                    container.remove(force=True)


def _passed_on(variables: frozenset[str]) -> dict[str, str]:
    named = {name for secret in load_settings().secrets for name in secret.keys.values()} | variables
    return {name: value for name, value in os.environ.items() if name in named or name.startswith(PREFIXES)}


def _check_library() -> None:
    """kfp asks Docker by its Python library, which knows DOCKER_HOST and no contexts of the program docker."""
    try:
        with contextlib.closing(docker.from_env()) as client:
            client.ping()
    except docker.errors.DockerException as error:
        raise UserError(
            f"DOCKER_HOST = {os.environ.get('DOCKER_HOST', '')}: does not answer ({error}): set it to the address that "
            "docker context inspect prints"
        ) from None


def _check_gpu(image: str, devices: Mapping[str, Any]) -> None:
    """Docker tells that it has no GPU to give when a container starts, which a run would come to late."""
    with contextlib.closing(docker.from_env()) as client:
        container = client.containers.create(image, ["true"], **devices)
        try:
            container.start()
        except docker.errors.APIError as error:
            raise UserError(
                f"params.yaml: train.device = cuda: Docker has no GPU to give ({error.explanation}): install NVIDIA's "
                "Container Toolkit, set cpu or auto, or take RUNNER=subprocess"
            ) from None
        finally:
            container.remove(force=True)


def _user() -> tuple[int, int]:
    """The person who calls, so that outputs are theirs; for root the image's normal user."""
    return (USER, USER) if os.geteuid() == 0 else (os.geteuid(), os.getegid())


def _prepare(folder: Path, user: int, group: int, own: bool = False) -> None:
    """Makes the folder where it is absent; root hands to the steps' user what it made, and what is for runs alone.

    Raises:
        UserError: that user cannot write into it.
    """
    folder = folder.resolve()
    given = own or not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if given and os.geteuid() == 0:
            os.chown(folder, user, group)
    except OSError as error:
        raise UserError(f"{folder}: cannot be made ({error.strerror}): {ANOTHER}") from None
    if not _may(folder, user, group, stat.S_IWUSR | stat.S_IXUSR):
        raise UserError(
            f"{folder}: user {user}, as whom the steps run, cannot write there: chown -R {user}:{group} {folder}, or "
            f"{ANOTHER}"
        )


def _may(path: Path, user: int, group: int, wanted: int) -> bool:
    """Whether the owner's bits `wanted`, shifted to whom the user is for the path, are set."""
    found = path.stat()
    shift = 0 if found.st_uid == user else 3 if found.st_gid == group else 6
    return (found.st_mode << shift) & wanted == wanted

"""Runs each task in a container of the image that `make images` built, as a normal user."""

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

USER = 10001  # of the image; used where root starts the run
SHARED_MEMORY = "1g"  # for data passed between workers of one task; Docker's default of 64 MB is too little
PREFIXES = ("MLFLOW_", "AWS_", "PG")  # of variables that a step may need
ANOTHER = "choose another folder with --root or --cache, or an MLflow server with MLFLOW_TRACKING_URI"
RUN_LABEL = "speech-emotion.run"
ALL = -1  # GPUs


def container_runner(
    root: Path,
    folders: Mapping[Path, bool],
    environment: Mapping[str, str],
    variables: frozenset[str] = frozenset(),
    gpu: bool = False,
) -> local.DockerRunner:
    """kfp's runner of containers, which use this machine's network and reach its servers under their usual names.

    Args:
        root: folder of the runs, which receives the outputs.
        folders: further folder that steps see at the same path -> whether they write into it.
        environment: variables that the components read.
        variables: names of further variables of this process to pass on, besides those that the steps are known to
            need: those that pipelines/cluster.yaml takes from secrets, and MLFLOW_..., AWS_..., PG...
        gpu: whether containers get all GPUs of this machine, and the steps that train run in the CUDA image.

    Raises:
        UserError: Docker cannot be used or offers no GPU, an image is not built, or the steps' user cannot write to a
            folder.
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
        init=True,  # stopping a container stops all its processes
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
    """Stops and removes the run's remaining containers at the end of the block, also after Ctrl-C or SIGTERM."""
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
    """kfp uses Docker's Python library, which reads DOCKER_HOST and ignores the contexts of the program docker."""
    try:
        with contextlib.closing(docker.from_env()) as client:
            client.ping()
    except docker.errors.DockerException as error:
        raise UserError(
            f"DOCKER_HOST = {os.environ.get('DOCKER_HOST', '')}: does not answer ({error}): set it to the address that "
            "docker context inspect prints"
        ) from None


def _check_gpu(image: str, devices: Mapping[str, Any]) -> None:
    """Starts a container with a GPU: only then does Docker report a missing one, and a run would learn it late."""
    with contextlib.closing(docker.from_env()) as client:
        container = client.containers.create(image, ["true"], **devices)
        try:
            container.start()
        except docker.errors.APIError as error:
            raise UserError(
                f"params.yaml: train.device = cuda: Docker offers no GPU ({error.explanation}): install NVIDIA's "
                "Container Toolkit, set cpu or auto, or use RUNNER=subprocess"
            ) from None
        finally:
            container.remove(force=True)


def _user() -> tuple[int, int]:
    """User and group of the caller, so that the caller owns the outputs; for root those of the image's user."""
    return (USER, USER) if os.geteuid() == 0 else (os.geteuid(), os.getegid())


def _prepare(folder: Path, user: int, group: int, own: bool = False) -> None:
    """Makes the folder if it is absent; root gives a new folder to the steps' user, and with `own` an existing one.

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
        raise UserError(f"{folder}: cannot be created ({error.strerror}): {ANOTHER}") from None
    if not _may(folder, user, group, stat.S_IWUSR | stat.S_IXUSR):
        raise UserError(
            f"{folder}: user {user}, who runs the steps, cannot write there: chown -R {user}:{group} {folder}, or "
            f"{ANOTHER}"
        )


def _may(path: Path, user: int, group: int, wanted: int) -> bool:
    """Whether the bits `wanted` (written for the owner) are set for this user: as owner, by group or as any other."""
    found = path.stat()
    shift = 0 if found.st_uid == user else 3 if found.st_gid == group else 6
    return (found.st_mode << shift) & wanted == wanted

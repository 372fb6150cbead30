"""A process that starts workers and is killed; what becomes of the workers."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

SECONDS = 120  # a worker that lives longer is a fault, not a slow machine


def works_for_ever(folder: str) -> None:
    """Says which process it is, then keeps a core busy."""
    (Path(folder) / f"{os.getpid()}.worker").touch()
    while True:
        sum(range(10**5))


@contextlib.contextmanager
def killed_with_workers(code: str, folder: Path, count: int) -> Iterator[list[psutil.Process]]:
    """Runs Python code until `count` workers have said which they are, kills its process, and yields the workers.

    Args:
        code: starts workers that call works_for_ever(folder).
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    parent = subprocess.Popen([sys.executable, "-c", code], env=environment)
    workers: list[psutil.Process] = []
    try:
        while len(workers) < count:
            assert parent.poll() is None, "it ended before its workers began"
            workers = [psutil.Process(int(path.stem)) for path in folder.glob("*.worker")]
        parent.kill()
        parent.wait()
        yield workers
    finally:
        parent.kill()
        for worker in workers:
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()


def survivors(workers: list[psutil.Process]) -> list[psutil.Process]:
    """Workers that still run after a while."""
    end = time.monotonic() + SECONDS
    while (alive := [worker for worker in workers if _runs(worker)]) and time.monotonic() < end:
        time.sleep(0.05)
    return alive


def _runs(worker: psutil.Process) -> bool:
    try:
        return worker.status() != psutil.STATUS_ZOMBIE  # a zombie has ended
    except psutil.NoSuchProcess:
        return False

"""Identifies the process that wrote something, and whether it still runs."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

SPACE = Path("/proc/self/ns/pid")  # containers on the host's network share its name but not its process numbers


def this_process() -> dict[str, Any]:
    """Host, PID namespace, number and start of this process: enough to check later whether it still runs."""
    process = psutil.Process()
    return {"host": platform.node(), "space": _space(), "pid": os.getpid(), "started": round(process.create_time())}


def can_be_asked(process: Mapping[str, Any]) -> bool:
    """Whether `runs_here` can check this process: it is of this host and PID namespace.

    Args:
        process: as this_process() describes it.
    """
    return (process.get("host"), process.get("space")) == (platform.node(), _space())


def runs_here(process: Mapping[str, Any]) -> bool:
    """Whether a process of this host still runs; a zombie does not.

    Args:
        process: as this_process() describes it.
    """
    try:
        found = psutil.Process(int(process["pid"]))
        same = abs(found.create_time() - float(process["started"])) < 2
        return same and found.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _space() -> str:
    return os.readlink(SPACE) if SPACE.is_symlink() else ""

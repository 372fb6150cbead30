"""Provenance of a result: revision, source, versions, processor. Saved with results, but not part of any key."""

import functools
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from speech_emotion.store.hashing import hash_code

REVISION_VARIABLE = "SPEECH_EMOTION_REVISION"  # set in the images, which hold no repository
LIBRARIES = ("torch", "numpy", "scipy", "scikit-learn", "librosa")


def revision() -> str | None:
    """The current commit, with -dirty if tracked files differ from it; outside git the image's revision, or None."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        found = ""
    return found or os.environ.get(REVISION_VARIABLE) or None


def provenance_of(code: Iterable[Path]) -> dict[str, Any]:
    """What a finished training records in addition to its key.

    Args:
        code: source files that the training uses.

    Returns:
        source (hash of the code, without comments and docstrings), python, libraries (name -> version), processor,
        revision (None outside git).
    """
    return {"source": hash_code(code), **_environment()}


@functools.cache
def _environment() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
        "processor": _processor(),
        "revision": revision(),
    }


def _processor() -> str:
    """The processor's name on Linux; otherwise its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()

"""librosa, imported by one process at a time."""

import functools
import importlib
import os
import tempfile
from pathlib import Path
from types import ModuleType

from filelock import FileLock

BEFORE = ("numba", "scipy.signal")  # what librosa imports that takes long: needs no lock
# librosa's modules whose functions numba compiles while they are imported (`guvectorize`)
COMPILED_AT_IMPORT = ("librosa.util.utils", "librosa.core.audio", "librosa.core.pitch")


@functools.cache
def librosa() -> ModuleType:
    """The package librosa, all that it compiles for its import compiled.

    Numba keeps what it compiles beside librosa, for all processes, and two files of one function fit each other alone.
    Two processes that import librosa before there are such files, as the workers of a fresh environment do, would mix
    theirs, and every later process would end with a segmentation fault. Hence a lock, of each user of the machine.
    """
    for module in BEFORE:
        importlib.import_module(module)
    with FileLock(import_lock()):
        for module in COMPILED_AT_IMPORT:
            importlib.import_module(module)
        return importlib.import_module("librosa")


def import_lock() -> Path:
    """The file whose holder alone imports librosa."""
    return Path(tempfile.gettempdir()) / f"speech-emotion-librosa-{os.getuid()}.lock"

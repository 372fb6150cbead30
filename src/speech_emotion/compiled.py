"""librosa, imported by one process at a time."""

import functools
import importlib
import os
import tempfile
from pathlib import Path
from types import ModuleType

from filelock import FileLock

BEFORE = ("numba", "scipy.signal")  # slow imports of librosa that need no lock
# librosa's modules with functions that numba compiles during import (`guvectorize`)
COMPILED_AT_IMPORT = ("librosa.util.utils", "librosa.core.audio", "librosa.core.pitch")


@functools.cache
def librosa() -> ModuleType:
    """The package librosa, with the functions compiled that are compiled during its import.

    Numba stores compiled functions beside librosa, for all processes, in two files each that must match. If two
    processes import librosa while these files do not exist yet, as the workers of a new environment do, they may mix
    their files, and every later process ends with a segmentation fault. A lock for each user of the machine prevents
    this.
    """
    for module in BEFORE:
        importlib.import_module(module)
    with FileLock(import_lock()):
        for module in COMPILED_AT_IMPORT:
            importlib.import_module(module)
        return importlib.import_module("librosa")


def import_lock() -> Path:
    """The lock file of the process that imports librosa."""
    return Path(tempfile.gettempdir()) / f"speech-emotion-librosa-{os.getuid()}.lock"

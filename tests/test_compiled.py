"""librosa, and everything that it compiles, is imported by one process at a time."""

import os
import select
import subprocess
import sys
import tempfile
from pathlib import Path

from filelock import FileLock

from speech_emotion.compiled import COMPILED_AT_IMPORT, import_lock, librosa

IMPORTS = """
from speech_emotion.compiled import BEFORE, librosa
for module in BEFORE:
    __import__(module)
print("begins", flush=True)
librosa()
print("done", flush=True)
"""
UNUSED = {"librosa.beat"}


def test_a_second_process_waits_until_the_first_has_imported(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with FileLock(import_lock()):
        child = subprocess.Popen(
            [sys.executable, "-c", IMPORTS],
            stdout=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )
        assert child.stdout.readline() == b"begins\n"
        spoke, _, _ = select.select([child.stdout], [], [], 5)
    assert not spoke, "it did not wait"
    assert child.communicate(timeout=120)[0] == b"done\n"
    assert child.returncode == 0


def test_all_modules_that_compile_at_import_are_imported_under_the_lock():
    package = Path(librosa().__file__).parent
    modules = {
        ".".join(["librosa", *path.relative_to(package).with_suffix("").parts])
        for path in package.rglob("*.py")
        if "guvectorize(" in path.read_text()
    }
    assert modules == {*COMPILED_AT_IMPORT, *UNUSED}
    assert not UNUSED & set(sys.modules), "the project uses one that is not imported under the lock"

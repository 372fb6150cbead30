"""The files that go into the images: their commit, and a hash to compare an image with."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from speech_emotion.params import PARAMS_FILE
from speech_emotion.store.hashing import hash_json, sha256_file

IGNORE_FILE = Path(__file__).with_name("Dockerfile.dockerignore")
TOP = Path(__file__).parents[2]
DIRTY = "-dirty"
CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
UNKNOWN = "unknown"


def parts() -> list[str]:
    """The files and folders that Dockerfile.dockerignore passes to the build, and the Dockerfile."""
    allowed = [line[1:] for line in IGNORE_FILE.read_text().splitlines() if line.startswith("!")]
    return [*allowed, "components/images/Dockerfile"]


def revision(top: Path = TOP) -> str:
    """The current commit, with -dirty if the files for the images differ from it; "unknown" outside git."""
    commit = _git(["rev-parse", "HEAD"], top).strip()
    if not commit:
        return UNKNOWN
    return commit + (DIRTY if _git(["status", "--porcelain", "--", *parts()], top) else "")


def content(top: Path = TOP) -> str:
    """Hash of the files for the images, committed or not; "unknown" outside git.

    params.yaml does not count: a run passes its own.
    """
    wanted = [part for part in parts() if part != PARAMS_FILE.name]
    listed = _git(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *wanted], top)
    names = sorted({name for name in listed.split("\0") if name and (top / name).is_file()})
    return hash_json([[name, sha256_file(top / name)] for name in names]) if names else UNKNOWN


def address(top: Path = TOP) -> str:
    """Address of the project's repository without credentials; "" if it is a local folder."""
    url = CREDENTIALS.sub("", _git(["remote", "get-url", "origin"], top).strip())
    return url if re.match(r"^(https?://|ssh://|[\w.-]+@[\w.-]+:)", url) else ""


def _git(arguments: Sequence[str], top: Path) -> str:
    """Git's output; "" if it fails or is not installed."""
    try:
        done = subprocess.run(["git", *arguments], cwd=top, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout if done.returncode == 0 else ""

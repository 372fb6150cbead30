"""git in a test's folder."""

import subprocess
from pathlib import Path


def commit(top: Path) -> None:
    git(top, "add", "--all")
    git(top, "-c", "user.name=tests", "-c", "user.email=tests@example.org", "commit", "--quiet", "--message", "All")


def git(top: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=top, capture_output=True, text=True, check=True)
    return done.stdout.strip()

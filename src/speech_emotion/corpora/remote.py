"""A corpus as a revision of the project records it, brought to where the project's folder is not.

What says where from, and with what right, comes by the environment, on a cluster from its secrets:
    DATA_FOLDER: a folder that holds the corpora already (of this machine, or a volume); then nothing else is needed.
    DATA_REPOSITORY: address of the project's git repository; GIT_USERNAME and GIT_TOKEN where it asks for them.
    DVC_REMOTE: address of the DVC remote, s3://..., by default that of the repository; AWS_ENDPOINT_URL for an S3 that
        is not Amazon's. What else the remote asks for it reads itself (AWS_ACCESS_KEY_ID, ...).
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from speech_emotion.corpora.versions import folder_hash, recorded_hash
from speech_emotion.errors import UserError

FOLDER, REPOSITORY, REMOTE, ENDPOINT = "DATA_FOLDER", "DATA_REPOSITORY", "DVC_REMOTE", "AWS_ENDPOINT_URL"
DATA = "data"
# git asks this program for user and password, so that they are in no address, command or log
ASKED = """#!/bin/sh
case "$1" in
Username*) printf '%s' "$GIT_USERNAME" ;;
*) printf '%s' "$GIT_TOKEN" ;;
esac
"""


def bring(corpus: str, revision: str, data_hash: str, target: Path) -> None:
    """Puts the files of one corpus into `target`, whole or not at all.

    Args:
        corpus: which folder of data/.
        revision: commit, tag or branch whose data.dvc is meant; not looked at where DATA_FOLDER is set.
        data_hash: of the corpus's files, as versions.folder_hash makes it.
        target: a folder that is not there yet.

    Raises:
        UserError: the place or the right is missing, the revision or the corpus unknown, the files others.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:  # beside the target: it moves in one go
        work = Path(temporary)
        if folder := os.environ.get(FOLDER):
            found = _from_folder(Path(folder), corpus, data_hash, work)
        else:
            found = _from_repository(corpus, revision, data_hash, work)
        os.replace(found, target)


def _from_folder(folder: Path, corpus: str, data_hash: str, work: Path) -> Path:
    source = folder / corpus
    if not source.is_dir():
        raise UserError(f"{FOLDER} = {folder}: holds no {corpus}: run make data CORPUS={corpus}")
    _compare(source, folder_hash(source), data_hash)
    return Path(shutil.copytree(source, work / corpus, copy_function=_link))


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or files of another user
        shutil.copyfile(source, target)


def _from_repository(corpus: str, revision: str, data_hash: str, work: Path) -> Path:
    repository = os.environ.get(REPOSITORY)
    if not repository:
        raise UserError(
            f"{REPOSITORY}: is not set: give the project's repository, on a cluster by a secret (docs/kubeflow.md), or "
            f"the corpora themselves by {FOLDER}"
        )
    clone = work / "clone"
    _clone(repository, revision, clone, work)
    if remote := os.environ.get(REMOTE):
        _dvc(clone, "remote", "add", "--local", "--default", "--force", "given", remote)
        if endpoint := os.environ.get(ENDPOINT):
            _dvc(clone, "remote", "modify", "--local", "given", "endpointurl", endpoint)
    _dvc(clone, "config", "--local", "cache.type", "hardlink,copy")  # the files are moved away, and the cache ends
    _compare(f"{corpus} at {revision}", recorded_hash(corpus, clone), data_hash)
    _dvc(clone, "pull", f"{DATA}/{corpus}")
    return clone / DATA / corpus


def _compare(what: Path | str, found: str, wanted: str) -> None:
    if found != wanted:
        raise UserError(
            f"data_hash = {wanted}: {what} holds other files, of hash {found}: give that hash (python -m pipelines "
            "data-hash tells it), or the revision that records the files meant"
        )


def _clone(repository: str, revision: str, clone: Path, work: Path) -> None:
    """That one commit if the server hands out single commits, else the whole history."""
    if revision.startswith("-"):
        raise UserError(f"revision = {revision}: must be a commit, a tag or a branch")
    asked = work / "asked"
    asked.write_text(ASKED)
    asked.chmod(0o700)
    environment = {**os.environ, "GIT_ASKPASS": str(asked), "GIT_TERMINAL_PROMPT": "0"}

    def git(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", *arguments], env=environment, capture_output=True, text=True, check=False)

    git("init", "--quiet", str(clone))
    git("-C", str(clone), "remote", "add", "origin", repository)
    one = git("-C", str(clone), "fetch", "--quiet", "--depth", "1", "origin", revision)
    found = "FETCH_HEAD"
    if one.returncode:
        everything = git(
            "-C", str(clone), "fetch", "--quiet", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*"
        )
        if everything.returncode:
            raise UserError(
                f"{REPOSITORY}: git cannot fetch from it ({_last(everything)}): mend the address, or the user and "
                "token in GIT_USERNAME and GIT_TOKEN"
            )
        found = revision
    out = git("-C", str(clone), "checkout", "--quiet", "--detach", found)
    if out.returncode:
        raise UserError(f"revision = {revision}: the repository has none of that name: push it, or mend its spelling")


def _dvc(clone: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "dvc", *arguments]
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = _last(done).removeprefix("ERROR: ")
        raise UserError(f"{REMOTE}: dvc {arguments[0]} fails ({last}): mend the remote's address or its credentials")


def _last(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
    return next((line for line in lines if line.startswith("fatal: ")), lines[-1])

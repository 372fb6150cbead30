"""Fetches a corpus, as a revision of the project records it, on a machine without the project's folder.

Source and credentials come from environment variables, which a cluster sets from its secrets:
    DATA_FOLDER: a folder (local or a volume) that already holds the corpora; nothing else is needed then.
    DATA_REPOSITORY: address of the project's git repository; GIT_USERNAME and GIT_TOKEN if it requires them.
    DVC_REMOTE: address of the DVC remote, s3://..., by default the repository's own; AWS_ENDPOINT_URL for an S3 service
        other than Amazon's. DVC reads the remote's other variables itself (AWS_ACCESS_KEY_ID, ...).
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
# git gets user and password from this program, which keeps them out of addresses, commands and logs
ASKED = """#!/bin/sh
case "$1" in
Username*) printf '%s' "$GIT_USERNAME" ;;
*) printf '%s' "$GIT_TOKEN" ;;
esac
"""


def bring(corpus: str, revision: str, data_hash: str, target: Path) -> None:
    """Puts the files of one corpus into `target`, all of them or none.

    Args:
        corpus: name of its folder below data/.
        revision: commit, tag or branch whose data.dvc to use; ignored if DATA_FOLDER is set.
        data_hash: expected hash of the corpus's files, from versions.folder_hash.
        target: a folder that does not exist yet.

    Raises:
        UserError: the source or the credentials are missing, the revision or the corpus is unknown, or the files have
            another hash.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:  # beside the target, so that one rename moves it
        work = Path(temporary)
        if folder := os.environ.get(FOLDER):
            found = _from_folder(Path(folder), corpus, data_hash, work)
        else:
            found = _from_repository(corpus, revision, data_hash, work)
        os.replace(found, target)


def _from_folder(folder: Path, corpus: str, data_hash: str, work: Path) -> Path:
    source = folder / corpus
    if not source.is_dir():
        raise UserError(f"{FOLDER} = {folder}: does not hold {corpus}: run make data CORPUS={corpus}")
    _compare(source, folder_hash(source), data_hash)
    return Path(shutil.copytree(source, work / corpus, copy_function=_link))


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # on another file system, or owned by another user
        shutil.copyfile(source, target)


def _from_repository(corpus: str, revision: str, data_hash: str, work: Path) -> Path:
    repository = os.environ.get(REPOSITORY)
    if not repository:
        raise UserError(
            f"{REPOSITORY}: is not set: set it to the project's repository (on a cluster with a secret, "
            f"docs/kubeflow.md), or set {FOLDER} to a folder of corpora"
        )
    clone = work / "clone"
    _clone(repository, revision, clone, work)
    if remote := os.environ.get(REMOTE):
        _dvc(clone, "remote", "add", "--local", "--default", "--force", "given", remote)
        if endpoint := os.environ.get(ENDPOINT):
            _dvc(clone, "remote", "modify", "--local", "given", "endpointurl", endpoint)
    _dvc(clone, "config", "--local", "cache.type", "hardlink,copy")  # the files are moved out, and the cache is deleted
    _compare(f"{corpus} at {revision}", recorded_hash(corpus, clone), data_hash)
    _dvc(clone, "pull", f"{DATA}/{corpus}")
    return clone / DATA / corpus


def _compare(what: Path | str, found: str, wanted: str) -> None:
    if found != wanted:
        raise UserError(
            f"data_hash = {wanted}: {what} holds other files, with hash {found}: pass that hash (see python -m "
            "pipelines data-hash), or the revision that records the files you want"
        )


def _clone(repository: str, revision: str, clone: Path, work: Path) -> None:
    """Fetches only the one commit if the server allows it, otherwise the whole history."""
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
                f"{REPOSITORY}: git cannot fetch from it ({_last(everything)}): fix the address, or the user and "
                "token in GIT_USERNAME and GIT_TOKEN"
            )
        found = revision
    out = git("-C", str(clone), "checkout", "--quiet", "--detach", found)
    if out.returncode:
        raise UserError(f"revision = {revision}: the repository has no such revision: push it, or fix the spelling")


def _dvc(clone: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "dvc", *arguments]
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = _last(done).removeprefix("ERROR: ")
        raise UserError(f"{REMOTE}: dvc {arguments[0]} fails ({last}): fix the remote's address or its credentials")


def _last(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
    return next((line for line in lines if line.startswith("fatal: ")), lines[-1])

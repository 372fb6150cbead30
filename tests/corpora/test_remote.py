"""Fetching a corpus from a repository and its DVC remote, or from a folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from speech_emotion.corpora import remote
from speech_emotion.corpora.remote import bring
from speech_emotion.corpora.versions import folder_hash, recorded_hash
from speech_emotion.errors import UserError


def run(*words: str, folder: Path) -> str:
    return subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A repository with two corpora in data.dvc, pushed to a remote in a folder; its own data and cache are gone."""
    top = tmp_path_factory.mktemp("project")
    repository = top / "repository"
    for corpus in ("mine", "other"):
        folder = repository / "data" / corpus / "anna"
        folder.mkdir(parents=True)
        (folder / "1.wav").write_bytes(corpus.encode())
    dvc = (sys.executable, "-m", "dvc")
    run("git", "init", "--quiet", "--initial-branch", "trunk", folder=repository)
    run(*dvc, "init", "--quiet", folder=repository)
    run(*dvc, "config", "core.analytics", "false", folder=repository)
    run(*dvc, "add", "--quiet", "data", folder=repository)
    run(*dvc, "remote", "add", "--default", "stored", str(top / "stored"), folder=repository)
    run(*dvc, "push", "--quiet", folder=repository)
    run("git", "add", "--all", folder=repository)
    run("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "data", folder=repository)
    return top


@pytest.fixture
def environment(monkeypatch, project):
    for name in (remote.FOLDER, remote.REMOTE, remote.ENDPOINT):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(remote.REPOSITORY, str(project / "repository"))
    return monkeypatch


@pytest.fixture
def wanted(project) -> str:
    return folder_hash(project / "repository/data/mine")


def test_the_recorded_hash_is_that_of_the_files(project, wanted):
    assert recorded_hash("mine", project / "repository") == wanted


def test_a_hash_depends_on_content_and_name(tmp_path):
    hashes = set()
    for number, (name, content) in enumerate([("a", "1"), ("a", "2"), ("b", "1")]):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / name).write_text(content)
        hashes.add(folder_hash(tmp_path / str(number)))
    assert len(hashes) == 3


@pytest.mark.parametrize("spelling", ["trunk", "commit", "short"])
def test_one_corpus_of_a_revision_is_fetched(environment, project, tmp_path, wanted, spelling):
    commit = run("git", "rev-parse", "HEAD", folder=project / "repository")
    revision = {"trunk": "trunk", "commit": commit, "short": commit[:10]}[spelling]
    bring("mine", revision, wanted, tmp_path / "out")
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.wav")] == ["out/anna/1.wav"]
    assert (tmp_path / "out/anna/1.wav").read_bytes() == b"mine"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_remote_of_the_environment_overrides_that_of_the_repository(environment, project, tmp_path, wanted):
    environment.setenv(remote.REMOTE, str(project / "nothing"))
    with pytest.raises(UserError):
        bring("mine", "trunk", wanted, tmp_path / "out")
    environment.setenv(remote.REMOTE, str(project / "stored"))
    bring("mine", "trunk", wanted, tmp_path / "out")


def test_a_folder_that_holds_the_corpora_is_enough(environment, project, tmp_path, wanted):
    environment.delenv(remote.REPOSITORY)
    environment.setenv(remote.FOLDER, str(project / "repository/data"))
    bring("mine", "", wanted, tmp_path / "out")
    assert (tmp_path / "out/anna/1.wav").read_bytes() == b"mine"


@pytest.mark.parametrize("name", [remote.FOLDER, remote.REPOSITORY])
def test_files_with_another_hash_are_refused(environment, project, tmp_path, name):
    environment.setenv(remote.FOLDER, str(project / "repository/data") if name == remote.FOLDER else "")
    with pytest.raises(UserError, match=r"data_hash = 0\.dir: .* holds other files, with hash"):
        bring("mine", "trunk", "0.dir", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("repository", "corpus", "revision", "told"),
    [
        ("", "mine", "trunk", "DATA_REPOSITORY: is not set"),
        ("/nowhere", "mine", "trunk", "DATA_REPOSITORY: git cannot fetch from it"),
        (None, "mine", "branch", "revision = branch: the repository has no such revision"),
        (None, "mine", "--upload-pack=x", "revision = --upload-pack=x: must be a commit"),
        (None, "third", "trunk", r"data/third: is not recorded in data\.dvc"),
    ],
)
def test_an_error_names_its_cure(environment, tmp_path, wanted, repository, corpus, revision, told):
    if repository is not None:
        environment.setenv(remote.REPOSITORY, repository)
    with pytest.raises(UserError, match=told):
        bring(corpus, revision, wanted, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_the_corpus_is_refused(environment, tmp_path):
    environment.setenv(remote.FOLDER, str(tmp_path))
    with pytest.raises(UserError, match=r"DATA_FOLDER = .*: does not hold mine: run make data CORPUS=mine"):
        bring("mine", "", "0.dir", tmp_path / "out")

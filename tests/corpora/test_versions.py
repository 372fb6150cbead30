"""Versions of data/: no command loses a corpus."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from speech_emotion.corpora import versions
from speech_emotion.corpora.known import demo
from speech_emotion.corpora.verification import published_sums
from speech_emotion.errors import UserError

TOP = Path(__file__).parents[2]
GRAPH = """\
stages:
  check:
    cmd: {check}
    deps:
      - data
    outs:
      - artifacts/check
  ingest:
    cmd: mkdir -p artifacts && ls data/emodb > artifacts/list && echo ran >> runs
    deps:
      - artifacts/check
      - data/emodb
    outs:
      - artifacts/list
"""


def call(folder: Path, *command: str) -> subprocess.CompletedProcess:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def dvc(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return call(folder, sys.executable, "-m", "dvc", *arguments)


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    finished = call(folder, "git", *who, *arguments)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def put(project: Path, corpus: str, files: int = 2) -> None:
    folder = project / "data" / corpus
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        (folder / f"{number}.wav").write_text(f"{corpus} {number}")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `project`, a repository that has recorded and reproduced demo and emodb, and its DVC remote."""
    top = tmp_path_factory.mktemp("versions")
    folder = top / "project"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / ".gitignore").write_text("/data/\n/artifacts/\n/runs\n")
    check = (
        f"{sys.executable} -c 'from pathlib import Path; from speech_emotion.corpora.versions import *; "
        "guard(); write_checked(CHECKED)'"
    )
    (folder / "dvc.yaml").write_text(GRAPH.format(check=check))
    assert dvc(folder, "init", "-q").returncode == 0
    (folder / ".dvc" / "config").write_text(
        "[core]\n    analytics = false\n    remote = store\n['remote \"store\"']\n    url = ../../remote\n"
    )
    for corpus in ("demo", "emodb"):
        put(folder, corpus)
        versions.record(folder / "data", corpus)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "start")
    finished = dvc(folder, "repro")
    assert finished.returncode == 0, finished.stderr
    assert git(folder, "status", "--porcelain", "data.dvc") == ""
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "results")
    assert dvc(folder, "push").returncode == 0
    return top


@pytest.fixture
def project(prepared: Path, tmp_path: Path) -> Path:
    """A copy of the prepared repository, beside a copy of its remote."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    return tmp_path / "project"


def test_recorded_returns_corpora_with_their_numbers_of_files(project):
    assert versions.recorded(project / "data") == {"demo": 2, "emodb": 2}
    assert yaml.safe_load((project / "data.dvc").read_text())["outs"][0]["nfiles"] == 4


def test_the_project_records_only_the_demo_corpus_as_published():
    assert versions.recorded(TOP / "data") == {"demo": len(published_sums(demo.CORPUS))}


def test_recorded_is_empty_without_data_dvc(tmp_path):
    assert versions.recorded(tmp_path / "data") == {}


def test_recorded_refuses_a_data_dvc_that_lists_no_corpora(tmp_path):
    (tmp_path / "data.dvc").write_text("outs:\n- path: data\n")
    with pytest.raises(UserError, match=r"data\.dvc: meta\.corpora = None: must map"):
        versions.recorded(tmp_path / "data")


def test_recording_again_changes_no_byte(project):
    before = (project / "data.dvc").read_bytes()
    versions.record(project / "data", "demo")
    assert (project / "data.dvc").read_bytes() == before


def test_a_third_corpus_joins_the_others(project):
    put(project, "own", files=3)
    versions.record(project / "data", "own")
    assert versions.recorded(project / "data") == {"demo": 2, "emodb": 2, "own": 3}


def test_record_refuses_while_another_recorded_corpus_is_absent(project):
    before = (project / "data.dvc").read_bytes()
    shutil.rmtree(project / "data" / "demo")
    put(project, "own")
    with pytest.raises(UserError, match=r"data/demo: is absent.*make data CORPUS=demo.*dvc pull"):
        versions.record(project / "data", "own")
    assert (project / "data.dvc").read_bytes() == before


def test_record_refuses_an_absent_corpus(project):
    with pytest.raises(UserError, match=r"data/own: is absent: run make data CORPUS=own"):
        versions.record(project / "data", "own")


def test_record_refuses_while_another_corpus_has_lost_a_file(project):
    (project / "data" / "emodb" / "0.wav").unlink()
    with pytest.raises(
        UserError, match=r"data/emodb: holds 1 files, but .*records 2 files.*speech-emotion record emodb"
    ):
        versions.record(project / "data", "demo")


def test_record_accepts_a_changed_corpus(project):
    (project / "data" / "emodb" / "0.wav").unlink()
    versions.record(project / "data", "emodb")
    assert versions.recorded(project / "data") == {"demo": 2, "emodb": 1}


def test_guard_refuses_a_corpus_that_is_not_recorded(project):
    put(project, "own")
    with pytest.raises(UserError, match=r"data/own: is not recorded in .*: run speech-emotion record own"):
        versions.guard(project / "data")


def test_a_failure_of_dvc_is_one_sentence_and_changes_nothing(project):
    before = (project / "data.dvc").read_bytes()
    shutil.rmtree(project / ".dvc")
    with pytest.raises(UserError, match=r"^dvc add --quiet data: .+$"):
        versions.record(project / "data", "demo")
    assert (project / "data.dvc").read_bytes() == before


def test_repro_refuses_an_absent_corpus_and_the_cure_restores_it(project):
    shutil.rmtree(project / "data" / "demo")
    for target in ((), ("ingest",)):
        finished = dvc(project, "repro", *target)
        assert finished.returncode != 0
        assert "data/demo: is absent" in finished.stderr
        assert "git checkout" in finished.stderr and (project / "runs").read_text() == "ran\n"
    git(project, "checkout", "data.dvc")
    assert dvc(project, "pull", "data/demo").returncode == 0
    versions.guard(project / "data")
    assert git(project, "status", "--porcelain") == ""


def test_repro_reruns_nothing_because_of_the_check(project):
    finished = dvc(project, "repro")
    assert finished.returncode == 0, finished.stderr
    assert (project / "runs").read_text() == "ran\n"
    assert git(project, "status", "--porcelain") == ""


def test_repro_in_a_fresh_clone_runs_nothing_and_changes_nothing(project, tmp_path):
    git(tmp_path, "clone", "-q", str(project), "clone")
    finished = dvc(tmp_path / "clone", "repro")
    assert finished.returncode != 0 and "data" in finished.stderr
    assert not (tmp_path / "clone" / "runs").exists()
    assert git(tmp_path / "clone", "status", "--porcelain") == ""


def test_after_push_and_pull_elsewhere_nothing_is_computed(project, tmp_path):
    git(tmp_path, "clone", "-q", str(project), "clone")
    clone = tmp_path / "clone"
    pulled = dvc(clone, "pull")
    assert pulled.returncode == 0, pulled.stderr
    finished = dvc(clone, "repro")
    assert finished.returncode == 0, finished.stderr
    assert "Stage 'ingest' didn't change, skipping" in finished.stdout
    assert not (clone / "runs").exists()
    assert git(clone, "status", "--porcelain") == ""


def test_a_single_corpus_can_be_pulled(project):
    shutil.rmtree(project / "data" / "demo")
    assert dvc(project, "pull", "data/demo").returncode == 0
    versions.guard(project / "data")


@pytest.fixture
def recorded_here(tmp_path: Path) -> Path:
    """data/ of a project whose data.dvc records it, without a remote."""
    (tmp_path / "data.dvc").write_text("outs:\n- md5: 0123.dir\n  path: data\nmeta:\n  corpora: {demo: 2}\n")
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    return tmp_path / "data"


def test_the_address_of_the_data_is_the_recorded_hash_if_there_is_one(recorded_here, tmp_path):
    assert versions.address(recorded_here) == {"dvc": "0123.dir"}
    assert versions.address(tmp_path / "elsewhere") == {}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://speech/store", "s3://speech/store"),
        ("https://ann:secret@data.example.org/store?token=secret", "https://data.example.org/store"),
        ("/mnt/store", None),
        ("../store", None),
    ],
)
def test_the_address_has_a_shared_remote_without_its_password(recorded_here, url, shown):
    git(recorded_here.parent, "init", "-q")
    finished = dvc(recorded_here.parent, "remote", "add", "--default", "store", url)
    assert finished.returncode == 0, finished.stderr
    assert versions.address(recorded_here) == {"dvc": "0123.dir"} | ({"remote": shown} if shown else {})


def test_the_local_remote_overrides_that_of_the_project(recorded_here):
    (recorded_here.parent / ".dvc" / "config").write_text(
        "['remote \"a\"']\n    url = s3://ours\n[core]\n    remote = a\n"
    )
    (recorded_here.parent / ".dvc" / "config.local").write_text("['remote \"a\"']\n    url = s3://mine\n")
    assert versions.address(recorded_here)["remote"] == "s3://mine"

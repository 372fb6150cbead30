"""`python -m pipelines submit | schedule`: from the user's arguments to the requests to a cluster."""

import subprocess
from pathlib import Path

import pytest
import yaml

from components.images import names
from made_up_workplace import TOP
from pipelines import cluster_commands, following
from pipelines.__main__ import main
from pipelines.compiling import compile_pipeline

REVISION = "0123456789abcdef0123456789abcdef01234567"
IMAGE = "registry.example.com/speech-emotion-cpu@sha256:" + "a" * 64


@pytest.fixture
def pushed(tmp_path, monkeypatch):
    """Pushed images of this commit, and a clone whose commit is on a remote and records the demo corpus."""
    monkeypatch.chdir(TOP)
    monkeypatch.setattr(following, "SECONDS_BETWEEN_LOOKS", 0)
    monkeypatch.setattr(cluster_commands, "BUILD", tmp_path / "build")
    monkeypatch.setattr(cluster_commands, "revision", lambda: REVISION)
    monkeypatch.setattr(cluster_commands, "recorded_hash", lambda corpus, top: f"hash of {corpus}")
    monkeypatch.setattr(cluster_commands, "_git", lambda *arguments: "origin/main")
    return _push(tmp_path, monkeypatch, REVISION)


def _push(folder: Path, monkeypatch, revision: str) -> Path:
    file = folder / "digests.yaml"
    file.write_text(yaml.safe_dump({"cpu": {"image": IMAGE, "revision": revision}}))
    monkeypatch.setattr(names.read_digests, "__defaults__", (file,))
    return file


def test_train_is_submitted_with_the_commit_and_its_recorded_data(stub, pushed, capsys):
    assert main(["submit", "--host", stub.url, "train", "--param", "shards=4"]) == 0
    assert stub.runs[0]["runtime_config"]["parameters"] == {
        "revision": REVISION,
        "data_hash": "hash of demo",
        "shards": 4,
    }
    version = stub.versions[0]
    assert version["display_name"] == REVISION[:12]
    executors = version["documents"][0]["deploymentSpec"]["executors"]
    assert {executor["container"]["image"] for executor in executors.values()} == {IMAGE}
    out = capsys.readouterr()
    assert f"run: succeeded: {stub.url}/#/runs/details/run-1" in out.out and out.err == ""


def test_the_user_may_give_corpus_and_revision(stub, pushed):
    words = ["--param", "corpus=emodb", "--param", "revision=v2"]
    assert main(["submit", "--host", stub.url, "train", *words, "--no-follow"]) == 0
    sent = stub.runs[0]["runtime_config"]["parameters"]
    assert (sent["corpus"], sent["revision"], sent["data_hash"]) == ("emodb", "v2", "hash of emodb")


def test_the_state_of_the_run_is_the_exit_status(stub, pushed, capsys):
    stub.looks = [{"state": "FAILED", "error": {"message": "its message"}}]
    assert main(["submit", "--host", stub.url, "release"]) == 1
    assert "run: its message" in capsys.readouterr().out


def test_release_takes_no_data(stub, pushed):
    assert main(["schedule", "--host", stub.url, "release", "--every", "6h", "--cron", ""]) == 0
    (recurring,) = stub.recurring
    assert recurring["runtime_config"]["parameters"] == {}
    assert recurring["trigger"] == {"periodic_schedule": {"interval_second": 21600}}


def test_the_host_may_come_from_kfps_own_variable(stub, pushed, monkeypatch):
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", stub.url)
    assert main(["submit", "release", "--no-follow", "--host", ""]) == 0
    assert len(stub.runs) == 1


def test_images_of_another_commit_and_an_unpushed_commit_are_reported(stub, pushed, tmp_path, monkeypatch, capsys):
    _push(tmp_path, monkeypatch, "f" * 40)
    monkeypatch.setattr(cluster_commands, "_git", lambda *arguments: "")
    assert main(["submit", "--host", stub.url, "train", "--no-follow"]) == 0
    out = capsys.readouterr()
    assert "speech-emotion-cpu was built from ffffffffffff, the pipeline from 0123456789ab" in out.err
    assert "warning: commit 0123456789ab is on no remote branch" in out.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["submit", "nonsense"], "pipeline nonsense: must be one of train, search, release"),
        (["submit", "train", "--param", "shard=4"], "parameter shard: pipeline train has no such parameter"),
        (["submit", "train", "--param", "shards=four"], "parameter shards = 'four': must be a whole number"),
        (["submit", "search"], "parameter storage: is required by pipeline search"),
        (["schedule", "release"], "CRON, EVERY: give exactly one of them"),
    ],
)
def test_a_mistake_is_reported_and_nothing_sent(stub, pushed, capsys, words, message):
    assert main([*words, "--host", stub.url]) == 1
    out = capsys.readouterr()
    assert out.err.startswith(f"error: {message}") and stub.requests == []


@pytest.mark.parametrize("command", [["submit"], ["schedule", "--every", "6h"]])
@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["storage=postgresql://me:whispered@host/studies"], "storage"),
        (["storage=postgresql://host/studies?user=me&password=whispered"], "storage"),
        (["storage=postgresql://host/studies", 'overrides=["track.uri=http://me:whispered@host:5000"]'], "overrides"),
    ],
)
def test_a_password_is_neither_sent_nor_shown(stub, pushed, capsys, command, words, name):
    given = [part for word in words for part in ("--param", word)]
    assert main([*command, "search", "--host", stub.url, *given]) == 1
    out = capsys.readouterr()
    assert out.err.startswith(f"error: parameter {name}: holds a password, which would be published")
    assert "whispered" not in out.out + out.err and stub.requests == []


def test_images_that_were_never_pushed(stub, pushed, capsys):
    pushed.unlink()
    assert main(["submit", "release", "--host", stub.url]) == 1
    assert "has no digest in components/images/digests.yaml" in capsys.readouterr().err


def test_outside_git_the_revision_is_required(stub, pushed, monkeypatch, capsys):
    monkeypatch.setattr(cluster_commands, "revision", lambda: None)
    assert main(["submit", "train", "--host", stub.url]) == 1
    assert "parameter revision: has no default outside a git clone: add revision=COMMIT" in capsys.readouterr().err
    assert main(["submit", "release", "--host", stub.url, "--no-follow"]) == 0
    assert stub.versions[0]["display_name"] == "unversioned"


def test_make_passes_on_host_pipeline_and_arguments(stub):
    variables = [f"HOST={stub.url}", "PIPELINE=train", "ARGS=--param shards=4"]
    dry = subprocess.run(
        ["make", "--dry-run", "pipeline-submit", *variables], cwd=TOP, capture_output=True, text=True, check=True
    ).stdout
    assert f"python -m pipelines submit train --host '{stub.url}' --param shards=4" in dry
    dry = subprocess.run(
        ["make", "--dry-run", "pipeline-schedule", *variables, "CRON=0 3 * * *"],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "--cron '0 3 * * *' --every ''" in dry


def test_a_submission_compiles_the_same_as_make_pipelines(pushed, tmp_path, stub):
    main(["submit", "release", "--host", stub.url, "--no-follow"])
    path = compile_pipeline("release", tmp_path / "again")
    assert stub.versions[0]["documents"] == list(yaml.safe_load_all(path.read_text()))

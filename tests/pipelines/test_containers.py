"""The runner of containers without Docker: who runs, what goes along, which folders."""

import os
from pathlib import Path
from unittest import mock

import docker
import pytest

from pipelines import containers
from pipelines.runners import Place, runner
from speech_emotion.errors import UserError
from speech_emotion.steps.component import CACHE_VARIABLE


@pytest.fixture(autouse=True)
def docker_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "ready", lambda variant="cpu": f"speech-emotion-{variant}:latest")
    monkeypatch.setattr(containers, "_check_library", lambda: None)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def normal_user(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    monkeypatch.setattr(os, "getegid", lambda: 8765)
    return 4321


def place(folder: Path, track: str = '{"uri": "http://localhost:5000"}', **others) -> Place:
    (folder / "data").mkdir(exist_ok=True)
    return Place(folder / "runs", folder / "data", folder / "cache", track, 1, **others)


def arguments(folder: Path, **others) -> dict:
    return runner("docker", place(folder, **others)).container_run_args


def mounts(given: dict) -> dict[str, bool]:
    """Target -> whether it is read only."""
    assert all(mount["Source"] == mount["Target"] for mount in given["mounts"])
    return {mount["Target"]: mount["ReadOnly"] for mount in given["mounts"]}


def test_steps_run_as_the_person_who_calls(tmp_path, normal_user):
    tmp_path.chmod(0o777)
    for name in ("runs", "cache"):
        (tmp_path / name).mkdir(mode=0o777)
        (tmp_path / name).chmod(0o777)
    assert arguments(tmp_path)["user"] == "4321:8765"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_runs_steps_as_the_normal_user_of_the_image_and_gives_it_the_folders(tmp_path):
    assert arguments(tmp_path)["user"] == "10001:10001"
    assert {(tmp_path / name).stat().st_uid for name in ("runs", "cache")} == {10001}


def test_data_are_seen_and_not_written_and_caches_are(tmp_path):
    given = arguments(tmp_path)
    assert mounts(given) == {str(tmp_path / "data"): True, str(tmp_path / "cache"): False}
    assert given["environment"][CACHE_VARIABLE] == str(tmp_path / "cache")
    assert given["environment"]["DATA_FOLDER"] == str(tmp_path / "data")


def test_without_a_folder_of_data_the_repository_is_meant(tmp_path):
    given = runner("docker", Place(tmp_path / "runs", None, tmp_path / "cache", "", 1)).container_run_args
    assert "DATA_FOLDER" not in given["environment"]
    assert set(mounts(given)) == {str(tmp_path / "cache")}


def test_what_secrets_of_the_cluster_hold_goes_along_and_nothing_else_does(tmp_path, monkeypatch):
    for name in ("GIT_TOKEN", "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD", "OF_THE_FILE", "SOMETHING_ELSE"):
        monkeypatch.setenv(name, name.lower())
    environment = arguments(tmp_path, variables=frozenset({"OF_THE_FILE"}))["environment"]
    for name in ("GIT_TOKEN", "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD", "OF_THE_FILE"):
        assert environment[name] == name.lower()
    assert not {"SOMETHING_ELSE", "HOME", "PATH"} & set(environment)


def test_a_store_that_is_a_file_is_seen_with_the_artifacts_beside_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o777)
    given = arguments(tmp_path, track='{"uri": "sqlite:///mlflow.db"}')
    assert given["environment"]["MLFLOW_TRACKING_URI"] == f"sqlite:///{tmp_path}/mlflow.db"
    assert mounts(given)[str(tmp_path)] is False


def test_a_folder_that_the_steps_cannot_write_is_refused_with_the_cure(tmp_path, normal_user):
    (tmp_path / "runs").mkdir(mode=0o755)
    with pytest.raises(UserError, match=r"runs: user 4321, as whom .*: chown -R 4321:8765"):
        arguments(tmp_path)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(UserError, match=r"runs: cannot be made"):
        arguments(tmp_path)


def test_an_image_that_is_not_built_ends_the_run_before_it_begins(tmp_path, monkeypatch):
    def refuse(variant: str = "cpu") -> str:
        raise UserError("image speech-emotion-cpu:latest: is not built: run make images")

    monkeypatch.setattr(containers, "ready", refuse)
    with pytest.raises(UserError, match="run make images"):
        arguments(tmp_path)
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> mock.MagicMock:
    """Docker's library; what its containers are made with, and whether they start."""
    client = mock.MagicMock()
    monkeypatch.setattr(docker, "from_env", lambda: client)
    return client.containers


def test_containers_get_all_gpus_where_the_run_asks_for_them_and_none_otherwise(tmp_path, engine):
    (asked,) = arguments(tmp_path, gpu=True)["device_requests"]
    assert (asked["Count"], asked["Capabilities"]) == (-1, [["gpu"]])
    assert engine.create.call_args.kwargs == {"device_requests": [asked]}
    engine.create.return_value.remove.assert_called_once_with(force=True)
    assert "device_requests" not in arguments(tmp_path)
    engine.create.assert_called_once()


def test_a_docker_that_has_no_gpu_to_give_ends_the_run_before_it_begins(tmp_path, engine):
    said = 'could not select device driver "" with capabilities: [[gpu]]'
    engine.create.return_value.start.side_effect = docker.errors.APIError("500", explanation=said)
    with pytest.raises(UserError, match=r"train.device = cuda: Docker has no GPU to give \(could not select .*Toolkit"):
        arguments(tmp_path, gpu=True)
    engine.create.return_value.remove.assert_called_once_with(force=True)
    assert not (tmp_path / "runs").exists()


def test_with_a_gpu_the_cuda_image_must_be_built_too(tmp_path, engine, monkeypatch):
    def ready(variant: str = "cpu") -> str:
        if variant == "cuda":
            raise UserError("image speech-emotion-cuda:latest: is not built: run make images VARIANTS=cuda")
        return "speech-emotion-cpu:latest"

    monkeypatch.setattr(containers, "ready", ready)
    with pytest.raises(UserError, match="run make images VARIANTS=cuda"):
        arguments(tmp_path, gpu=True)

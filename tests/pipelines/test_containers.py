"""The runner of containers, tested without Docker: user, environment and folders of the containers."""

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
def docker_available(monkeypatch: pytest.MonkeyPatch) -> None:
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
    """Target -> whether it is read-only."""
    assert all(mount["Source"] == mount["Target"] for mount in given["mounts"])
    return {mount["Target"]: mount["ReadOnly"] for mount in given["mounts"]}


def test_steps_run_as_the_caller(tmp_path, normal_user):
    tmp_path.chmod(0o777)
    for name in ("runs", "cache"):
        (tmp_path / name).mkdir(mode=0o777)
        (tmp_path / name).chmod(0o777)
    assert arguments(tmp_path)["user"] == "4321:8765"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_runs_steps_as_the_images_user_who_gets_the_folders(tmp_path):
    assert arguments(tmp_path)["user"] == "10001:10001"
    assert {(tmp_path / name).stat().st_uid for name in ("runs", "cache")} == {10001}


def test_data_is_mounted_read_only_and_the_cache_writable(tmp_path):
    given = arguments(tmp_path)
    assert mounts(given) == {str(tmp_path / "data"): True, str(tmp_path / "cache"): False}
    assert given["environment"][CACHE_VARIABLE] == str(tmp_path / "cache")
    assert given["environment"]["DATA_FOLDER"] == str(tmp_path / "data")


def test_without_a_data_folder_none_is_mounted(tmp_path):
    given = runner("docker", Place(tmp_path / "runs", None, tmp_path / "cache", "", 1)).container_run_args
    assert "DATA_FOLDER" not in given["environment"]
    assert set(mounts(given)) == {str(tmp_path / "cache")}


def test_only_variables_of_the_clusters_secrets_are_passed_on(tmp_path, monkeypatch):
    for name in ("GIT_TOKEN", "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD", "OF_THE_FILE", "SOMETHING_ELSE"):
        monkeypatch.setenv(name, name.lower())
    environment = arguments(tmp_path, variables=frozenset({"OF_THE_FILE"}))["environment"]
    for name in ("GIT_TOKEN", "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD", "OF_THE_FILE"):
        assert environment[name] == name.lower()
    assert not {"SOMETHING_ELSE", "HOME", "PATH"} & set(environment)


def test_a_store_in_a_file_is_mounted_with_the_artifacts_beside_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o777)
    given = arguments(tmp_path, track='{"uri": "sqlite:///mlflow.db"}')
    assert given["environment"]["MLFLOW_TRACKING_URI"] == f"sqlite:///{tmp_path}/mlflow.db"
    assert mounts(given)[str(tmp_path)] is False


def test_a_folder_that_the_steps_cannot_write_to_is_refused_with_the_cure(tmp_path, normal_user):
    (tmp_path / "runs").mkdir(mode=0o755)
    with pytest.raises(UserError, match=r"runs: user 4321, who .*: chown -R 4321:8765"):
        arguments(tmp_path)


def test_a_folder_that_cannot_be_created_is_refused(tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(UserError, match=r"runs: cannot be created"):
        arguments(tmp_path)


def test_a_missing_image_ends_the_run_before_it_starts(tmp_path, monkeypatch):
    def refuse(variant: str = "cpu") -> str:
        raise UserError("image speech-emotion-cpu:latest: is not built: run make images")

    monkeypatch.setattr(containers, "ready", refuse)
    with pytest.raises(UserError, match="run make images"):
        arguments(tmp_path)
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> mock.MagicMock:
    """The containers of a stand-in for Docker's library."""
    client = mock.MagicMock()
    monkeypatch.setattr(docker, "from_env", lambda: client)
    return client.containers


def test_containers_get_all_gpus_if_the_run_requests_them_else_none(tmp_path, engine):
    (asked,) = arguments(tmp_path, gpu=True)["device_requests"]
    assert (asked["Count"], asked["Capabilities"]) == (-1, [["gpu"]])
    assert engine.create.call_args.kwargs == {"device_requests": [asked]}
    engine.create.return_value.remove.assert_called_once_with(force=True)
    assert "device_requests" not in arguments(tmp_path)
    engine.create.assert_called_once()


def test_a_docker_without_gpus_ends_the_run_before_it_starts(tmp_path, engine):
    said = 'could not select device driver "" with capabilities: [[gpu]]'
    engine.create.return_value.start.side_effect = docker.errors.APIError("500", explanation=said)
    with pytest.raises(UserError, match=r"train.device = cuda: Docker offers no GPU \(could not select .*Toolkit"):
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

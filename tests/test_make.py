"""The Makefile and the CI script, as far as they can be tested without installing anything."""

import os
import re
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
SERVER = ("server", "server-stop", "server-backup", "server-restore")
IMAGES = ("images", "images-push")
PIPELINES = ("pipelines", "pipeline-run", "pipeline-submit", "pipeline-schedule")
BENCHES = ("bench", "bench-edge")
TARGETS = (
    "help",
    "env",
    "run",
    "track",
    "data",
    "test",
    "test-fast",
    "test-services",
    "lint",
    "ui",
    *SERVER,
    *IMAGES,
    *PIPELINES,
    *BENCHES,
    "graph",
    "clean",
)


def make(*arguments: str, folder: Path = TOP) -> subprocess.CompletedProcess:
    clean = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "CORPORA")}
    return subprocess.run(["make", *arguments], cwd=folder, env=clean, capture_output=True, text=True, check=False)


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder with the files that make needs, but without an environment."""
    for name in ("Makefile", "constraints.txt", "pyproject.toml"):
        (tmp_path / name).write_text((TOP / name).read_text())
    return tmp_path


@pytest.fixture
def equipped(bare: Path) -> Path:
    """The same, with an up-to-date environment."""
    (bare / ".venv").mkdir()
    (bare / ".venv" / "made").touch()
    return bare


def test_make_without_a_target_lists_all_targets():
    listed = re.findall(r"^  make ([\w-]+)", make().stdout, re.MULTILINE)
    assert tuple(listed) == TARGETS


def test_another_python_is_refused_with_the_cure(bare):
    finished = make("env", "PYTHON=/nowhere/python", folder=bare)
    assert finished.returncode != 0
    assert "error: PYTHON = /nowhere/python: is not Python 3.11: install it" in finished.stderr
    assert not (bare / ".venv").exists()


def test_the_environment_is_pinned_by_the_constraints(bare):
    plan = make("--dry-run", "env", folder=bare).stdout
    assert "-c constraints.txt -e '.[dev]'" in plan


def test_the_environment_is_rebuilt_only_after_a_change_of_its_pins(equipped):
    assert "pip install" not in make("--dry-run", "run", folder=equipped).stdout
    stamp = (equipped / ".venv" / "made").stat().st_mtime
    os.utime(equipped / "constraints.txt", (stamp + 10, stamp + 10))
    assert "pip install" in make("--dry-run", "run", folder=equipped).stdout


def test_run_obtains_the_corpus_reproduces_and_prints_the_table(equipped):
    plan = make("--dry-run", "run", folder=equipped).stdout
    places = [plan.index(word) for word in ("speech-emotion data", "dvc repro", "speech-emotion table")]
    assert places == sorted(places)
    assert "speech-emotion use" not in plan


def test_run_with_a_corpus_sets_it_first_and_passes_the_path(equipped):
    plan = make("--dry-run", "run", "CORPUS=emodb", "FROM=/my/emo db.zip", folder=equipped).stdout
    assert plan.index("speech-emotion use 'emodb'") < plan.index("--from '/my/emo db.zip'")


def test_data_without_a_corpus_is_refused(equipped):
    finished = make("data", folder=equipped)
    assert finished.returncode != 0
    assert "error: CORPUS: is missing: make data CORPUS=emodb" in finished.stderr


def test_without_real_speech_a_message_is_printed(equipped):
    assert "CORPORA is not set" in make("--dry-run", "test", folder=equipped).stdout
    assert "CORPORA is not set" not in make("--dry-run", "test", "CORPORA=/speech", folder=equipped).stdout


def test_options_of_images_are_passed_on(equipped):
    plan = make("--dry-run", "images", "VARIANTS=cpu cuda", "BUILD_FLAGS=--pull", folder=equipped).stdout
    assert "python -m components.images build --variant cpu --variant cuda -- --pull" in plan
    plan = make("--dry-run", "images-push", "REGISTRY=registry.example.org/team", folder=equipped).stdout
    assert "python -m components.images publish --variant cpu --registry 'registry.example.org/team'" in plan


def test_a_push_without_a_registry_is_refused(equipped):
    finished = make("images-push", folder=equipped)
    assert finished.returncode != 0
    assert "error: REGISTRY: is missing: make images-push REGISTRY=" in finished.stderr


def test_continuous_integration_uses_the_targets_of_make():
    script = (TOP / ".ci" / "run").read_text()
    assert os.access(TOP / ".ci" / "run", os.X_OK)
    for name in ("run", "images"):
        assert subprocess.run(["bash", "-n", TOP / ".ci" / name], check=False).returncode == 0
    workflow = (TOP / ".github" / "workflows" / "ci.yml").read_text()
    for command in ("make lint", "make test test-services"):
        assert command in script
        assert command in workflow

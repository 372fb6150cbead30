"""The pipeline `train` in containers, compared with subprocesses and `dvc repro`."""

import re

import pandas as pd
import pytest
import requests
from pandas.testing import assert_frame_equal

pytestmark = pytest.mark.docker

SYSTEMS = ("t2", "k2")


def predictions(folder) -> dict[str, pd.DataFrame]:
    """System -> its predictions, from a folder with one subfolder for each system."""
    return {path.parent.name: pd.read_parquet(path) for path in sorted(folder.glob("*/predictions.parquet"))}


def ask(tracking, address: str, **question) -> dict:
    answer = requests.post(f"{tracking.uri}/api/2.0/mlflow/{address}", json=question, auth=tracking.admin, timeout=60)
    assert answer.ok, answer.text
    return answer.json()


def test_data_comes_from_dvcs_bucket(docker_run, project):
    fetched = docker_run.folder("fetch", "data")
    own = project.folder / "data" / project.corpus
    names = {path.relative_to(own) for path in own.rglob("*") if path.is_file()}
    assert names == {path.relative_to(fetched) for path in fetched.rglob("*") if path.is_file()}
    for path in fetched.rglob("*.wav"):
        assert path.stat().st_ino != (own / path.relative_to(fetched)).stat().st_ino


def test_containers_write_as_a_normal_user(docker_run):
    owners = {path.stat().st_uid for path in docker_run.folder("gather", "trained").rglob("*")}
    assert owners and 0 not in owners


def test_every_system_and_the_comparison_are_runs_in_mlflow(docker_run, tracking):
    experiments = ask(tracking, "experiments/search", max_results=100)["experiments"]
    ids = [experiment["experiment_id"] for experiment in experiments]
    runs = ask(tracking, "runs/search", experiment_ids=ids, max_results=500)["runs"]
    systems = {tag["value"] for run in runs for tag in run["data"]["tags"] if tag["key"] == "system"}
    assert set(SYSTEMS) <= systems
    assert {run["info"]["status"] for run in runs} == {"FINISHED"}


def test_the_exported_model_is_registered_and_its_files_are_in_mlflows_bucket(docker_run, tracking):
    answer = requests.get(
        f"{tracking.uri}/api/2.0/mlflow/registered-models/alias",
        params={"name": "speech-emotion", "alias": "champion"},
        auth=tracking.admin,
        timeout=60,
    )
    assert answer.ok, answer.text
    assert answer.json()["model_version"]["version"] == "1"
    assert any(key.endswith("int8.onnx") for key in tracking.contents())


def test_a_run_of_the_unchanged_pipeline_skips_every_cached_step(docker_run, secrets, project, run_pipeline):
    again = run_pipeline("docker", "docker", secrets, revision=project.revision, data_hash=hash_of(project))
    assert again.done.returncode == 0, f"{again.done.stdout}\n{again.done.stderr}"
    started = set(re.findall(r"^(\S+): started", again.done.stdout, re.MULTILINE))
    assert started <= {"plan", "track", "register"}, again.done.stdout


def hash_of(project) -> str:
    return project.succeed("python", "-m", "pipelines", "data-hash").strip()


def test_a_failing_step_is_retried_and_then_fails_the_run_with_its_own_message(secrets, project, run_pipeline):
    failed = run_pipeline("failing", "docker", secrets, revision="no-such-revision", data_hash=hash_of(project))
    assert failed.done.returncode == 1
    said = failed.done.stdout + failed.done.stderr
    assert "revision = no-such-revision: the repository has no such revision" in failed.done.stderr
    assert re.search(r"step fetch failed", failed.done.stderr), said
    assert len(re.findall(r"fetch: failed, attempt \d of \d; tried again", said)) >= 2, said
    assert "Traceback" not in failed.done.stderr


def test_predictions_equal_those_of_subprocesses_and_dvc(docker_run, subprocess_run, graph_run):
    of_docker = predictions(docker_run.folder("gather", "trained"))
    of_subprocess = predictions(subprocess_run.folder("gather", "trained"))
    of_graph = predictions(graph_run / "train")
    assert set(of_docker) == set(of_subprocess) == set(of_graph) == set(SYSTEMS)
    for system in SYSTEMS:
        assert of_graph[system]["fold"].nunique() == 2
        assert_frame_equal(of_docker[system], of_graph[system], check_exact=True)
        assert_frame_equal(of_subprocess[system], of_graph[system], check_exact=True)

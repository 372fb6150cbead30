"""MLflow's server in the image of mlflow/Dockerfile, run as in compose.yaml; PostgreSQL and the store run outside."""

import contextlib
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

import compose
from components.images import engine
from servers import process
from speech_emotion.errors import UserError
from tracking_servers import Tracking, await_answer, tracking_servers

pytestmark = pytest.mark.docker

NAME = "speech-emotion-tracking"


@pytest.fixture(scope="session", autouse=True)
def image() -> str:
    """Replaces the fixture of the steps' image, which is not needed here."""
    try:
        labels = engine.labels(NAME)
    except UserError as error:
        pytest.skip(f"needs it: {error}")
    if labels is None:
        pytest.skip(f"needs the image {NAME}: docker build --file mlflow/Dockerfile --tag {NAME} .")
    return NAME


@pytest.fixture(scope="module")
def tracking(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracking]:
    folder = tmp_path_factory.mktemp("servers")
    with tracking_servers(folder) as servers:
        servers.start("storage")
        with _container(servers, folder):
            yield servers


@contextlib.contextmanager
def _container(tracking: Tracking, folder: Path) -> Iterator[None]:
    service = compose.services(tracking.values)["server"]
    port = tracking.values["SERVER_PORT"]
    outside = {name: tracking.environment[name] for name in ("PGHOST", "PGPORT")}
    outside["MLFLOW_S3_ENDPOINT_URL"] = f"http://localhost:{tracking.storage_port}"
    file = folder / "environment"
    file.write_text("".join(f"{name}={value}\n" for name, value in (service["environment"] | outside).items()))
    config = service["environment"]["MLFLOW_AUTH_CONFIG_PATH"]
    words = ["docker", "run", "--rm", f"--name=tracking-{uuid.uuid4().hex}", "--network=host", f"--env-file={file}"]
    words += [f"--volume={compose.host_path(service, config)}:{config}:ro"]
    words += ["--init"] * service["init"] + [f"--cap-drop={name}" for name in service["cap_drop"]]
    words += [f"--security-opt={option}" for option in service["security_opt"]]
    words += [f"--memory={service['deploy']['resources']['limits']['memory']}", NAME]
    words += [{"--port=5000": f"--port={port}"}.get(word, word) for word in service["command"]]
    log = folder / "container.log"
    with process(words, log) as running:
        await_answer(f"http://127.0.0.1:{port}/health", running, log)
        yield


def test_the_server_runs_as_a_normal_user(image):
    done = subprocess.run(["docker", "run", "--rm", image, "id", "--user"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "10001"


def test_a_password_is_required(tracking):
    answer = requests.post(f"{tracking.uri}/api/2.0/mlflow/experiments/search", json={"max_results": 1}, timeout=60)
    assert answer.status_code == requests.codes.unauthorized


def test_experiments_go_into_postgresql_and_artifacts_into_the_bucket(tracking):
    calls = f"{tracking.uri}/api/2.0/mlflow"
    made = requests.post(f"{calls}/experiments/create", json={"name": "kept"}, auth=tracking.admin, timeout=60)
    assert made.ok, made.text
    number = made.json()["experiment_id"]
    assert ("kept",) in tracking.query("mlflow", "SELECT name FROM experiments")
    there = f"{tracking.uri}/api/2.0/mlflow-artifacts/artifacts/{number}/file.txt"
    assert requests.put(there, data=b"written", auth=tracking.admin, timeout=60).ok
    assert tracking.contents()[f"{number}/file.txt"] == b"written"
    assert requests.get(there, auth=tracking.admin, timeout=60).content == b"written"

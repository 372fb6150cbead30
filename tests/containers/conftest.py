"""A small project with real speech, servers like a team's, and runs of the pipeline `train` against them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from components.images import engine, sources
from components.images.making import CONTENT_LABEL
from components.images.names import local_image
from servers import free_port, process
from speech_emotion.errors import UserError
from tracking_servers import BESIDE_PYTHON, Tracking, tracking_servers

TOP = Path(__file__).parents[2]
SYSTEMS = ("t2", "k2")
SPEAKERS = ("03", "08", "09")  # of EMO-DB: with three, one is tested, one validates and one trains
FOLDS = {"emodb": ["03", "08"], "demo": ["01+02", "03+04"]}
USER, PASSWORD, BUCKET = "nightly", "long-enough-to-be-taken", "corpora"


@pytest.fixture(scope="session", autouse=True)
def image(request: pytest.FixtureRequest) -> str:
    """The image of this checkout, in the variant that a test names or else cpu; skips the test if there is none."""
    variant = getattr(request, "param", "cpu")
    name = local_image(variant)
    try:
        labels = engine.labels(name)
    except UserError as error:
        pytest.skip(f"needs it: {error}")
    if labels is None:
        pytest.skip(f"needs the image {name}: make images VARIANTS={variant}")
    if labels.get(CONTENT_LABEL) != sources.content():
        pytest.skip(f"the image {name} contains other code than this checkout: make images VARIANTS={variant}")
    return name


@dataclass(frozen=True)
class Project:
    """A separate project: the checkout's files with small params, committed, and data recorded by DVC."""

    folder: Path
    corpus: str

    def command(self, *words: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs a command in the project, with one thread and without the caller's settings."""
        kept = {name: os.environ[name] for name in ("HOME", "DOCKER_HOST", "DOCKER_CONFIG") if name in os.environ}
        environment = {
            **kept,
            "PATH": os.pathsep.join([str(BESIDE_PYTHON), os.environ["PATH"]]),
            "PYTHONPATH": str(self.folder / "src"),
            "LC_ALL": "C.UTF-8",
            "OMP_NUM_THREADS": "1",
            "DVC_NO_ANALYTICS": "1",
            **variables,
        }
        return subprocess.run(
            [str(word) for word in words], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )

    def succeed(self, *words: str | Path, **variables: str) -> str:
        done = self.command(*words, **variables)
        assert done.returncode == 0, f"{words}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def git(self, *words: str) -> str:
        return self.succeed("git", "-c", "user.name=tests", "-c", "user.email=tests@example.org", *words).strip()

    @property
    def revision(self) -> str:
        return self.git("rev-parse", "HEAD")


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("served") / "project"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=TOP,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (TOP / name).is_file() and name not in ("data.dvc", "dvc.lock"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TOP / name, folder / name)
    speech = os.environ.get("CORPORA")
    made = Project(folder, "emodb" if speech else "demo")
    _make_small(folder / "params.yaml", made.corpus)
    made.git("init", "--quiet")
    if speech:
        target = folder / "data" / "emodb" / "wav"
        target.mkdir(parents=True)
        for path in sorted(Path(speech, "emodb", "wav").glob("*.wav")):
            if path.name.startswith(SPEAKERS):
                shutil.copy(path, target / path.name)
        made.succeed("speech-emotion", "record", "emodb")
    else:
        made.succeed("speech-emotion", "data", "demo")
    made.git("add", "--all")
    made.git("commit", "--quiet", "--message", "A small project")
    return made


def _make_small(file: Path, corpus: str) -> None:
    params = yaml.safe_load(file.read_text())
    params |= {"corpus": corpus, "candidates": list(SYSTEMS), "workers": 1}
    params["budgets"][corpus] |= {"seeds": [0], "more_seeds": {}, "max_epochs": 1, "folds": FOLDS[corpus]}
    params["train"] |= {"published_units": False}
    params["features"]["statistics"]["of"] = ["mspec-40", "mfcc-20", "energy"]
    params["needs"]["k2"]["features"] = ["mspec-40"]  # without derivatives the system is deployable
    params["systems"]["k2"] |= {"hop_frames": 12}
    params["evaluate"] |= {"bootstrap_draws": 200, "permutation_draws": 200}
    file.write_text(yaml.safe_dump(params, sort_keys=False))


@pytest.fixture(scope="session")
def tracking(tmp_path_factory: pytest.TempPathFactory, image: str) -> Iterator[Tracking]:
    """MLflow's server on PostgreSQL, its artifacts in an S3-compatible store, and a user with a password."""
    with tracking_servers(tmp_path_factory.mktemp("servers")) as servers:
        servers.start("storage", "server")
        servers.add_user(USER, PASSWORD)
        yield servers


@pytest.fixture(scope="session")
def secrets(project: Project, tracking: Tracking, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A cluster's secrets: the project's repository over git, its data in a bucket, MLflow with a password."""
    bucket = tracking.bucket().meta.client
    bucket.create_bucket(Bucket=BUCKET)
    store = {
        "DVC_REMOTE": f"s3://{BUCKET}/dvc",
        "AWS_ENDPOINT_URL": f"http://localhost:{tracking.storage_port}",
        "AWS_ACCESS_KEY_ID": tracking.values["STORAGE_ACCESS_KEY"],
        "AWS_SECRET_ACCESS_KEY": tracking.values["STORAGE_SECRET_KEY"],
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    keys = {name: value for name, value in store.items() if name.startswith("AWS_")}
    project.succeed("dvc", "remote", "add", "--local", "--default", "team", store["DVC_REMOTE"])
    project.succeed("dvc", "remote", "modify", "--local", "team", "endpointurl", store["AWS_ENDPOINT_URL"])
    project.succeed("dvc", "push", "data.dvc", **keys)
    port = free_port()
    command = ["git", "daemon", "--listen=127.0.0.1", f"--port={port}", "--export-all", "--reuseaddr"]
    log = tmp_path_factory.mktemp("git") / "log"
    with process([*command, f"--base-path={project.folder.parent}"], log):
        yield {
            **store,
            "DATA_REPOSITORY": f"git://127.0.0.1:{port}/project",
            "MLFLOW_TRACKING_URI": tracking.uri,
            "MLFLOW_TRACKING_USERNAME": USER,
            "MLFLOW_TRACKING_PASSWORD": PASSWORD,
        }


@dataclass(frozen=True)
class Run:
    """A run of the pipeline: its folder, and its output."""

    root: Path
    done: subprocess.CompletedProcess[str]

    def folder(self, step: str, output: str) -> Path:
        """The folder of the step's output in the last run."""
        found = sorted(self.root.glob(f"train-*/{step}/{output}"), key=lambda path: path.stat().st_mtime)
        assert found, f"no {step}/{output} below {self.root}:\n{self.done.stdout}\n{self.done.stderr}"
        return found[-1]


@pytest.fixture(scope="session")
def run_pipeline(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """Runs the pipeline `train` as a user does, and returns the run."""

    def run(name: str, runner: str, secrets: Mapping[str, str] | None = None, **arguments: str) -> Run:
        place = tmp_path_factory.getbasetemp() / f"run-{name}"
        words = [f"--param={key}={value}" for key, value in arguments.items()]
        if secrets is not None:
            file = project.folder.parent / f"{name}.env"
            file.write_text("".join(f"{key}={value}\n" for key, value in secrets.items()))
            words += ["--env-file", str(file)]
        command = [sys.executable, "-m", "pipelines", "run", "train", "--runner", runner, *words]
        return Run(place / "runs", project.command(*command, "--root", place / "runs", "--cache", place / "cache"))

    return run


@pytest.fixture(scope="session")
def docker_run(project: Project, secrets: Mapping[str, str], run_pipeline: Callable[..., Run]) -> Run:
    """The pipeline in containers, its data fetched from the repository and the DVC remote."""
    data_hash = project.succeed(sys.executable, "-m", "pipelines", "data-hash").strip()
    done = run_pipeline("docker", "docker", secrets, revision=project.revision, data_hash=data_hash)
    assert done.done.returncode == 0, f"{done.done.stdout}\n{done.done.stderr}"
    return done


@pytest.fixture(scope="session")
def subprocess_run(run_pipeline: Callable[..., Run]) -> Run:
    done = run_pipeline("subprocess", "subprocess")
    assert done.done.returncode == 0, f"{done.done.stdout}\n{done.done.stderr}"
    return done


@pytest.fixture(scope="session")
def graph_run(project: Project) -> Path:
    """Folder artifacts/ after dvc repro."""
    project.succeed("dvc", "repro", "--quiet")
    return project.folder / "artifacts"

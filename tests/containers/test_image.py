"""The contents of the image."""

import json
import subprocess

import pytest

from components.images import engine, sources
from components.images.names import NAMES, local_image

pytestmark = [pytest.mark.docker, pytest.mark.parametrize("image", sorted(NAMES), indirect=True)]
PINS = {"cpu": ["constraints.txt"], "cuda": ["constraints.txt", "components/images/constraints-cuda.txt"]}


def inside(image: str, *words: str, user: str = "") -> subprocess.CompletedProcess[str]:
    """Runs a command in a container of the image."""
    as_user = ["--user", user] if user else []
    command = ["docker", "run", "--rm", "--network=none", *as_user, image, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def variant_of(image: str) -> str:
    return next(variant for variant in NAMES if local_image(variant) == image)


def test_labels_name_revision_licence_and_version(image):
    labels = engine.labels(image)
    assert labels["org.opencontainers.image.revision"] == sources.revision()
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.version"]


def test_the_user_is_a_number_which_kubernetes_accepts_as_not_root(image):
    done = subprocess.run(
        ["docker", "image", "inspect", "--format", "{{json .Config.User}}", image],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == "10001"
    assert inside(image, "id", "--user").stdout.strip() == "10001"


def test_no_compilers_installers_or_caches_are_left(image):
    script = """
import shutil
import subprocess
import sys
from pathlib import Path

left = [name for name in ("gcc", "cc", "make", "g++", "ld", "pip", "pip3", "wheel") if shutil.which(name)]
installers = "import importlib.util as u; print(*filter(u.find_spec, ('pip', 'setuptools', 'wheel')))"
left += subprocess.check_output([sys._base_executable, "-I", "-c", installers], text=True).split()
left += [name for name in ("/opt/venv/bin/pip", "/build", "/wheels", "/etc/pip.conf") if Path(name).exists()]
left += [str(path) for path in Path("/var/lib/apt/lists").glob("*_Packages*")]
print(left)
"""
    assert inside(image, "python", "-c", script).stdout.strip() == "[]"
    assert inside(image, "ls", "/root/.cache", user="root").returncode != 0


def test_every_package_inside_has_the_version_of_the_constraints(image):
    script = "import importlib.metadata as m; print(*(f'{d.name}=={d.version}' for d in m.distributions()), sep='\\n')"
    found = {_plain(line) for line in inside(image, "python", "-c", script).stdout.splitlines()}
    files = [(sources.TOP / name).read_text() for name in PINS[variant_of(image)]]
    pinned = {_plain(line) for text in files for line in text.splitlines() if "==" in line}
    assert {line.partition("==")[0] for line in found - pinned} == {"speech-emotion-pipelines", "speech-emotion-jetson"}
    assert variant_of(image) == "cpu" or {_plain(line) for line in files[1].splitlines() if "==" in line} <= found


def test_torch_is_built_for_the_images_variant(image):
    said = inside(image, "python", "-c", "import torch; print(torch.version.cuda is not None)")
    assert said.stdout.strip() == str(variant_of(image) == "cuda"), said.stderr


def test_without_a_gpu_auto_is_the_cpu_and_cuda_is_refused(image):
    script = (
        "from speech_emotion.errors import UserError; from speech_emotion.learning.devices import device_kind\n"
        "print(device_kind('auto'))\n"
        "try:\n    device_kind('cuda')\nexcept UserError as error:\n    print(error)"
    )
    kind, refusal = inside(image, "python", "-c", script).stdout.splitlines()
    reason = {"cpu": "torch is built without CUDA", "cuda": "torch sees no CUDA device"}[variant_of(image)]
    assert kind == "cpu" and refusal.startswith(f"train.device = cuda: {reason}: set cpu, or auto")


def _plain(line: str) -> str:
    """A pin in a uniform spelling, without the suffix of torch's CPU build."""
    return line.strip().lower().replace("_", "-").removesuffix("+cpu")


def test_the_package_is_installed_and_finds_its_data_files(image):
    script = (
        "import speech_emotion; from speech_emotion.corpora.protocols import load_protocol;"
        "from speech_emotion.params import load_params; load_params();"
        "print(speech_emotion.__file__, load_protocol('emodb-loso').title)"
    )
    said = inside(image, "python", "-c", script)
    assert said.stdout.startswith("/opt/venv/lib/python3.11/site-packages/speech_emotion/"), said.stderr
    assert "EMO-DB, leave one speaker out" in said.stdout


def test_any_user_has_a_home_and_cache_folders(image):
    script = "import librosa, matplotlib.pyplot, getpass, pathlib; print(getpass.getuser(), pathlib.Path.home())"
    said = inside(image, "python", "-c", script, user="54321:0")
    assert said.stdout.split() == ["speech", "/tmp"], said.stderr
    assert "not a writable" not in said.stderr


def test_the_step_fetch_has_git_and_dvc_with_s3(image):
    assert inside(image, "git", "--version").stdout.startswith("git version")
    assert inside(image, "python", "-c", "import dvc_s3, boto3, psycopg; print('there')").stdout.strip() == "there"

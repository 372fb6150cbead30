"""Publishing an image of one file to a real registry, and pulling it by the recorded digest."""

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.images import engine, making, sources
from components.images.names import read_digests
from servers import free_port, process
from speech_emotion.errors import UserError
from tracking_servers import await_answer

pytestmark = pytest.mark.docker

REVISION = "1" * 40


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout.strip()


def identity(image: str) -> str:
    return docker("image", "inspect", "--format", "{{.Id}}", image)


@pytest.fixture(scope="session", autouse=True)
def image() -> None:
    """Replaces the fixture of the steps' image, which is not needed here."""
    try:
        engine.check()
    except UserError as error:
        pytest.skip(f"needs it: {error}")


@pytest.fixture
def small_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Name of an image of one file, in place of the steps' image."""
    name = f"speech-emotion-test-{uuid.uuid4().hex}"
    (tmp_path / "file").write_text(name)
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY file /\n")
    docker("build", "--quiet", "--tag", f"{name}:{REVISION}", str(tmp_path))
    monkeypatch.setitem(making.NAMES, "cpu", name)
    monkeypatch.setattr(sources, "revision", lambda: REVISION)
    made = identity(f"{name}:{REVISION}")
    yield name
    subprocess.run(["docker", "image", "rm", "--force", made], capture_output=True, check=False)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    settings = f"""
version: 0.1
storage: {{filesystem: {{rootdirectory: {tmp_path}/registry}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""
    (tmp_path / "registry.yml").write_text(settings)
    log = tmp_path / "registry.log"
    try:
        with process(["docker-registry", "serve", str(tmp_path / "registry.yml")], log) as running:
            await_answer(f"http://127.0.0.1:{port}/v2/", running, log)
            yield f"127.0.0.1:{port}"
    except FileNotFoundError:
        pytest.skip("needs a registry: apt-get install docker-registry")


def test_a_published_image_is_pulled_by_its_recorded_digest(small_image, registry, tmp_path):
    file = tmp_path / "digests.yaml"
    (address,) = making.publish(["cpu"], f"{registry}/team", file)
    assert read_digests(file).cpu.image == address
    made = identity(f"{small_image}:{REVISION}")
    docker("image", "rm", "--force", made)  # with all its names
    docker("pull", "--quiet", address)
    assert identity(address) == made


def test_publishing_again_gives_the_same_digest(small_image, registry, tmp_path):
    file = tmp_path / "digests.yaml"
    assert making.publish(["cpu"], registry, file) == making.publish(["cpu"], registry, file)


def test_an_absent_registry_is_reported_and_nothing_recorded(small_image, tmp_path):
    absent = f"127.0.0.1:{free_port()}"
    with pytest.raises(UserError, match=f"REGISTRY = {absent}: does not answer"):
        making.publish(["cpu"], absent, tmp_path / "digests.yaml")
    assert not (tmp_path / "digests.yaml").exists()

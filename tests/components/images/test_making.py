import os
from pathlib import Path

import pytest
import yaml

from components.images import making, sources
from speech_emotion.errors import UserError

REVISION = "1" * 40
DIGEST = "sha256:" + "c" * 64
PUSHED = f'echo "{REVISION}: digest: {DIGEST} size: 2000"'
LABELLED = "echo '{}'"


@pytest.fixture(autouse=True)
def known_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "revision", lambda: REVISION)
    monkeypatch.setattr(sources, "content", lambda: "these-files")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "digests.yaml"


def test_without_docker_every_command_explains_how_to_install_it(monkeypatch, tmp_path, file):
    monkeypatch.setenv("PATH", str(tmp_path))
    for call in (lambda: making.build(["cpu"]), lambda: making.publish(["cpu"], "registry:5000", file), making.ready):
        with pytest.raises(UserError, match="docker: is not installed: install Docker Engine"):
            call()


def test_a_daemon_that_does_not_answer_is_reported_with_the_reason(docker):
    docker(version="echo 'Cannot connect to the Docker daemon' >&2; exit 1", image="exit 1")
    with pytest.raises(UserError, match=r"Docker: does not answer: start it.*Cannot connect to the Docker daemon"):
        making.build(["cpu"])
    with pytest.raises(UserError, match="Docker: does not answer"):
        making.ready()


def test_the_image_is_labelled_and_tagged_with_its_revision(docker):
    calls = docker()
    assert making.build(["cpu", "cuda"], ["--pull"]) == [
        f"speech-emotion-cpu:{REVISION}",
        f"speech-emotion-cuda:{REVISION}",
    ]
    cpu, cuda = [call for call in calls() if call.startswith("build")]
    for word in (f"REVISION={REVISION}", "CONTENT=these-files", "TORCH=cpu", "--pull", "speech-emotion-cpu:latest"):
        assert word in cpu.split()
    assert {"TORCH=cuda", f"speech-emotion-cuda:{REVISION}"} <= set(cuda.split())


def test_a_failed_build_is_reported(docker):
    docker(build="exit 3")
    with pytest.raises(UserError, match="could not be built"):
        making.build(["cpu"])


def test_images_of_uncommitted_changes_are_built_with_a_note_but_not_published(docker, monkeypatch, capsys, file):
    monkeypatch.setattr(sources, "revision", lambda: f"{REVISION}-dirty")
    calls = docker(image=LABELLED)
    making.build(["cpu"])
    assert "built from uncommitted changes" in capsys.readouterr().err
    with pytest.raises(UserError, match=f"revision = {REVISION}-dirty: .*commit them, then make images"):
        making.publish(["cpu"], "registry:5000", file)
    assert not any(call.startswith("push") for call in calls())


def test_a_published_image_is_recorded_with_its_digest(docker, file):
    calls = docker(image=LABELLED, push=PUSHED)
    assert making.publish(["cpu"], "registry:5000/team/", file) == [f"registry:5000/team/speech-emotion-cpu@{DIGEST}"]
    assert f"push registry:5000/team/speech-emotion-cpu:{REVISION}" in calls()
    assert yaml.safe_load(file.read_text()) == {
        "cpu": {"image": f"registry:5000/team/speech-emotion-cpu@{DIGEST}", "revision": REVISION}
    }


def test_nothing_is_pushed_if_one_variant_is_not_built(docker, file):
    calls = docker(image='case "$*" in *cuda*) exit 1 ;; *) echo "{}" ;; esac', push=PUSHED)
    with pytest.raises(UserError, match=f"speech-emotion-cuda:{REVISION}: is not built: run make images VARIANTS=cuda"):
        making.publish(["cpu", "cuda"], "registry:5000", file)
    assert not any(call.startswith("push") for call in calls())


@pytest.mark.parametrize("registry", ["https://registry.org", "", "Registry.org/Team", "a b", "host:port"])
def test_a_malformed_registry_is_refused(docker, file, registry):
    docker(image=LABELLED, push=PUSHED)
    with pytest.raises(UserError, match=r"REGISTRY = .*: must be host\[:port\]"):
        making.publish(["cpu"], registry, file)


@pytest.mark.parametrize(
    ("said", "explanation"),
    [
        ("denied: requested access to the resource is denied", "refuses the push: docker login registry:5000"),
        ("no basic auth credentials", "refuses the push: docker login registry:5000"),
        ("dial tcp 127.0.0.1:5000: connect: connection refused", "does not answer: start it, or correct the address"),
        ("dial tcp: lookup registry: no such host", "does not answer: start it, or correct the address"),
        ("http: server gave HTTP response to HTTPS client", "does not use TLS"),
        ("x509: certificate signed by unknown authority", "has an unknown certificate"),
        ("something else", "docker push failed"),
    ],
)
def test_a_failed_push_explains_why_and_records_nothing(docker, file, said, explanation):
    docker(image=LABELLED, push=f'echo "{said}" >&2; exit 1')
    with pytest.raises(UserError, match=explanation) as caught:
        making.publish(["cpu"], "registry:5000", file)
    assert said in str(caught.value)
    assert not file.exists()


def test_a_run_is_refused_if_the_image_is_not_built(docker):
    docker(image="exit 1")
    with pytest.raises(UserError, match="image speech-emotion-cpu:latest: is not built: run make images"):
        making.ready()


def test_an_image_with_other_code_is_used_with_a_note(docker, capsys):
    docker(image="""echo '{"speech-emotion.content": "other-files"}'""")
    assert making.ready() == "speech-emotion-cpu:latest"
    assert "contains other code than this folder: make images updates it" in capsys.readouterr().err
    docker(image="""echo '{"speech-emotion.content": "these-files"}'""")
    making.ready()
    assert capsys.readouterr().err == ""


def test_the_build_uses_buildkit_whatever_the_environment_says(docker, monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_BUILDKIT", "0")
    docker(build=f'echo "$DOCKER_BUILDKIT" > {tmp_path}/buildkit')
    making.build(["cpu"])
    assert (tmp_path / "buildkit").read_text().strip() == "1"
    assert os.environ["DOCKER_BUILDKIT"] == "0"

from pathlib import Path

import pytest

from components.images import names
from pipelines import images

ADDRESS = "registry:5000/speech-emotion-cpu@sha256:" + "a" * 64


@pytest.fixture(autouse=True)
def digests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "digests.yaml"
    monkeypatch.setattr(images, "read_digests", lambda: names.read_digests(file))
    return file


def test_a_cluster_gets_the_digest_and_this_machine_its_own_build(digests):
    names.write_digest("cpu", ADDRESS, "1" * 40, digests)
    assert images.image() == ADDRESS
    assert images.image(local=True) == "speech-emotion-cpu:latest"


def test_an_unpublished_image_keeps_its_local_name(digests):
    names.write_digest("cpu", ADDRESS, "1" * 40, digests)
    assert images.image(cuda=True) == "speech-emotion-cuda:latest"

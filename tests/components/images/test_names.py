from pathlib import Path

import pytest

from components.images.names import Digests, local_image, read_digests, write_digest
from speech_emotion.errors import UserError

DIGEST, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
REVISION = "1" * 40


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "digests.yaml"


def test_without_a_file_nothing_is_published(file):
    assert read_digests(file) == Digests()


def test_publishing_one_variant_leaves_the_other(file):
    write_digest("cpu", f"registry:5000/speech-emotion-cpu@{DIGEST}", REVISION, file)
    write_digest("cuda", f"registry:5000/speech-emotion-cuda@{OTHER}", REVISION, file)
    assert read_digests(file).cpu.image == f"registry:5000/speech-emotion-cpu@{DIGEST}"
    assert read_digests(file).cuda.image == f"registry:5000/speech-emotion-cuda@{OTHER}"
    write_digest("cpu", f"registry:5000/speech-emotion-cpu@{OTHER}", REVISION, file)
    assert read_digests(file).cuda.image.endswith(OTHER)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- cpu", "must have the keys cpu and cuda"),
        ("cpu: {", "not YAML"),
        (f"cpu: {{image: registry/image:latest, revision: '{REVISION}'}}", r"cpu\.image = 'registry/image:latest'"),
        ("gpu: {}", "gpu"),
    ],
)
def test_a_damaged_file_is_reported(file, text, message):
    file.write_text(text)
    with pytest.raises(UserError, match=message):
        read_digests(file)


def test_local_images_have_different_names():
    assert local_image("cpu") != local_image("cuda")

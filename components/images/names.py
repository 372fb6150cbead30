"""The images' local names, and the addresses that a cluster pulls: digests.yaml, which `make images-push` writes."""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field

from components.base import CPU, CUDA
from speech_emotion.errors import UserError
from speech_emotion.sections import Section, check
from speech_emotion.store.atomic import write_text

Variant = Literal["cpu", "cuda"]
NAMES: dict[Variant, str] = {"cpu": CPU, "cuda": CUDA}
LOCAL_TAG = "latest"  # the image that was built last on this machine
DIGESTS_FILE = Path(__file__).with_name("digests.yaml")
SHOWN = "components/images/digests.yaml"
HEADER = "# The images of pipelines on a cluster. Written by make images-push; commit it.\n"


class Published(Section):
    """One image in a registry.

    Attributes:
        image: address with digest.
        revision: the commit that it was built from.
    """

    image: Annotated[str, Field(pattern=r"^[^\s@]+@sha256:[0-9a-f]{64}$")]
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]


class Digests(Section):
    """digests.yaml: the published image of each variant."""

    cpu: Published | None = None
    cuda: Published | None = None


def local_image(variant: Variant = "cpu") -> str:
    """Name and tag of the image that was built last on this machine."""
    return f"{NAMES[variant]}:{LOCAL_TAG}"


def read_digests(file: Path = DIGESTS_FILE) -> Digests:
    """The published images; none if the file does not exist.

    Raises:
        UserError: the file is damaged.
    """
    shown = SHOWN if file == DIGESTS_FILE else str(file)
    try:
        raw = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Digests()
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{shown}: not YAML: {str(error).replace(chr(10), ' ')}") from None
    if raw is not None and not isinstance(raw, dict):
        raise UserError(f"{shown}: must have the keys cpu and cuda: make images-push REGISTRY=... writes it")
    return check(Digests, raw or {}, shown)


def write_digest(variant: Variant, image: str, revision: str, file: Path = DIGESTS_FILE) -> None:
    """Records a published image; the other variant stays as it is."""
    digests = read_digests(file).model_dump(exclude_none=True) | {variant: {"image": image, "revision": revision}}
    write_text(file, HEADER + yaml.safe_dump(digests))

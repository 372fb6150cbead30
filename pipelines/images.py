"""The images that tasks run in: by digest where they have been pushed, else as they were built here."""

from pathlib import Path

import yaml

from components.base import CPU, CUDA
from speech_emotion.errors import UserError

DIGESTS = Path(__file__).parents[1] / "components" / "images" / "digests.yaml"  # make images-push writes it
TAG = "latest"


def image(cuda: bool = False, digests: Path | None = DIGESTS) -> str:
    """The address of the CPU or the CUDA image.

    Args:
        digests: file name -> address@sha256:...; None for the images that were built on this machine.

    Raises:
        UserError: the file of digests is damaged.
    """
    name = CUDA if cuda else CPU
    if digests is None or not digests.is_file():
        return f"{name}:{TAG}"
    known = yaml.safe_load(digests.read_text(encoding="utf-8"))
    if not isinstance(known, dict) or not all(isinstance(address, str) for address in known.values()):
        raise UserError(f"{digests}: must map names of images to addresses: run make images-push REGISTRY=...")
    return known.get(name, f"{name}:{TAG}")

"""Builds the images on this machine, publishes them in a registry, and checks an image before a run."""

import re
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from components.images import engine, sources
from components.images.names import DIGESTS_FILE, NAMES, Variant, local_image, write_digest
from speech_emotion.errors import UserError

DOCKERFILE = Path(__file__).with_name("Dockerfile")
REVISION_LABEL = "org.opencontainers.image.revision"
CONTENT_LABEL = "speech-emotion.content"
REGISTRY = re.compile(r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$")
DIGEST = re.compile(r"digest: (sha256:[0-9a-f]{64})")
# Message of docker push -> explanation
REFUSALS = (
    (r"server gave HTTP response to HTTPS", "does not use TLS: add it to insecure-registries of the Docker daemon"),
    (r"denied|unauthorized|authentication required|no basic auth", "refuses the push: docker login {host}"),
    (r"x509|certificate", "has an unknown certificate: put its authority's into /etc/docker/certs.d/{host}"),
    (r"refused|no such host|timeout|timed out|unreachable|EOF", "does not answer: start it, or correct the address"),
)  # fmt: skip


def build(variants: Sequence[Variant], flags: Sequence[str] = ()) -> list[str]:
    """Builds images and tags them <name>:<revision> and <name>:latest.

    Args:
        variants: which images.
        flags: further arguments of docker build.

    Returns:
        the names with the revision.

    Raises:
        UserError: Docker cannot be used, or a build fails.
    """
    engine.check()
    revision, content = sources.revision(), sources.content()
    built = []
    for variant in variants:
        named = _with_revision(variant, revision)
        facts = {
            "TORCH": variant,
            "REVISION": revision,
            "CONTENT": content,
            "SOURCE": sources.address(),
            "VERSION": version("speech-emotion-pipelines"),
        }
        given = [word for name, value in facts.items() for word in ("--build-arg", f"{name}={value}")]
        tags = ["--tag", named, "--tag", local_image(variant)]
        if engine.build(["--file", str(DOCKERFILE), *given, *tags, *flags, str(sources.TOP)]):
            raise UserError(f"image {named}: could not be built (above)")
        built.append(named)
    if revision.endswith(sources.DIRTY):
        _note(f"built from uncommitted changes: its label says {revision}, and it cannot be published")
    return built


def publish(variants: Sequence[Variant], registry: str, digests: Path = DIGESTS_FILE) -> list[str]:
    """Pushes the images of this revision and records their digests.

    Args:
        variants: which images.
        registry: host with or without port and folders, e.g. registry.example.org:5000/team.
        digests: file that records the digests.

    Returns:
        the addresses with digest.

    Raises:
        UserError: the registry's address is malformed, an image is not built or contains uncommitted changes, or a push
            fails.
    """
    registry = registry.rstrip("/")
    if not REGISTRY.match(registry):
        raise UserError(
            f"REGISTRY = {registry}: must be host[:port][/folder] without https://, in lower case, "
            "e.g. registry.example.org:5000/team"
        )
    engine.check()
    revision = sources.revision()
    for variant in variants:
        _check_publishable(variant, revision)
    pushed = []
    for variant in variants:
        there = f"{registry}/{_with_revision(variant, revision)}"
        engine.tag(_with_revision(variant, revision), there)
        status, said = engine.push(there)
        found = DIGEST.findall(said)
        if status or not found:
            raise UserError(f"REGISTRY = {registry}: {_refusal(said, registry.partition('/')[0])}")
        address = f"{registry}/{NAMES[variant]}@{found[-1]}"
        write_digest(variant, address, revision, digests)
        pushed.append(address)
    return pushed


def ready(variant: Variant = "cpu") -> str:
    """The local image for a run on this machine; prints a note if its code differs from the checkout.

    Raises:
        UserError: Docker cannot be used, or the image is not built.
    """
    image = local_image(variant)
    labels = engine.labels(image)
    if labels is None:
        raise UserError(f"image {image}: is not built: run {_make('images', variant)}")
    if labels.get(CONTENT_LABEL) != sources.content():
        of = labels.get(REVISION_LABEL, sources.UNKNOWN)
        _note(f"image {image} (of {of}) contains other code than this folder: {_make('images', variant)} updates it")
    return image


def _check_publishable(variant: Variant, revision: str) -> None:
    if revision == sources.UNKNOWN:
        raise UserError("revision: unknown, since this folder is not a git repository: publish from a clone")
    if revision.endswith(sources.DIRTY):
        raise UserError(
            f"revision = {revision}: the images would contain uncommitted changes: commit them, then "
            f"{_make('images', variant)}"
        )
    if engine.labels(_with_revision(variant, revision)) is None:
        raise UserError(f"image {_with_revision(variant, revision)}: is not built: run {_make('images', variant)}")


def _refusal(said: str, host: str) -> str:
    last = (said.strip().splitlines() or ["docker push printed nothing"])[-1]
    for pattern, meaning in REFUSALS:
        if re.search(pattern, last):
            return f"{meaning.format(host=host)} ({last})"
    return f"docker push failed ({last})"


def _with_revision(variant: Variant, revision: str) -> str:
    return f"{NAMES[variant]}:{revision}"


def _make(target: str, variant: Variant) -> str:
    return f"make {target}" + ("" if variant == "cpu" else f" VARIANTS={variant}")


def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)

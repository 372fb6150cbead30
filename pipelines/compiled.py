"""A compiled pipeline's parameters, images, secrets and volumes; they are checked before anything is sent."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from components.base import CUDA
from speech_emotion.errors import UserError
from speech_emotion.params import holds_password

BY_DIGEST = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}$")
# Type of a parameter in a compiled pipeline -> (its name in messages, an example)
TYPES = {
    "STRING": ("a text", "name=text"),
    "NUMBER_INTEGER": ("a whole number", "name=4"),
    "NUMBER_DOUBLE": ("a number", "name=0.5"),
    "BOOLEAN": ("true or false", "name=true"),
    "LIST": ("a list as JSON", 'name=["a", "b"]'),
    "STRUCT": ("an object as JSON", 'name={"a": 1}'),
}


@dataclass(frozen=True)
class Compiled:
    """A pipeline as kfp compiled it.

    Attributes:
        path: its YAML file.
        spec: the pipeline spec.
        platform: the executors of its Kubernetes part; empty if it was compiled for this machine.
    """

    path: Path
    spec: Mapping[str, Any]
    platform: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> "Compiled":
        spec, *platforms = yaml.safe_load_all(path.read_text(encoding="utf-8"))
        executors: dict[str, Any] = {}
        for part in platforms:
            executors |= part["platforms"]["kubernetes"].get("deploymentSpec", {}).get("executors", {})
        return cls(path, spec, executors)

    @property
    def name(self) -> str:
        return self.spec["pipelineInfo"]["name"]

    @property
    def description(self) -> str:
        return self.spec["pipelineInfo"].get("description", "")

    @property
    def parameters(self) -> Mapping[str, Mapping[str, Any]]:
        """Name -> its type, default and description."""
        return self.spec["root"].get("inputDefinitions", {}).get("parameters", {})

    @cached_property
    def images(self) -> dict[str, list[str]]:
        """Image -> the components that run in it."""
        found: dict[str, list[str]] = {}
        for executor, content in self.spec.get("deploymentSpec", {}).get("executors", {}).items():
            if "container" in content:
                found.setdefault(content["container"]["image"], []).append(executor.removeprefix("exec-"))
        return found

    @cached_property
    def secrets(self) -> dict[str, set[str]]:
        """Secret -> those of its keys that some pod cannot start without."""
        found: dict[str, set[str]] = {}
        for content in self.platform.values():
            for secret in content.get("secretAsEnv", ()):
                if not secret.get("optional"):
                    keys = found.setdefault(secret["secretName"], set())
                    keys.update(pair["secretKey"] for pair in secret["keyToEnv"])
            for secret in content.get("imagePullSecret", ()):
                found.setdefault(secret["secretName"], set())
        return found

    @cached_property
    def claims(self) -> set[str]:
        """Volume claims that pods mount."""
        return {mount["constant"] for content in self.platform.values() for mount in content.get("pvcMount", ())}

    def arguments(self, words: Sequence[str]) -> dict[str, Any]:
        """Converts arguments of the form NAME=VALUE to the types of the pipeline's parameters.

        Raises:
            UserError: a parameter is unknown, given twice or missing; a value has the wrong type or holds a
                password.
        """
        given: dict[str, Any] = {}
        for word in words:
            name, sign, text = word.partition("=")
            if holds_password(word):  # first, since the other messages repeat the argument
                raise UserError(
                    f"parameter {name.partition('://')[0]}: holds a password, which would be published: remove it and "
                    "set PGPASSWORD (PostgreSQL) or MLFLOW_TRACKING_PASSWORD (an MLflow server)"
                )
            if not sign:
                raise UserError(f"parameter {word}: must be NAME=VALUE")
            if name not in self.parameters:
                known = ", ".join(sorted(self.parameters)) or "none"
                raise UserError(f"parameter {name}: pipeline {self.name} has no such parameter: must be one of {known}")
            if name in given:
                raise UserError(f"parameter {name}: is given twice: give it once")
            given[name] = _value(name, text, self.parameters[name]["parameterType"])
        for name, definition in self.parameters.items():
            if name not in given and "defaultValue" not in definition and not definition.get("isOptional"):
                _, example = TYPES[definition["parameterType"]]
                raise UserError(
                    f"parameter {name}: is required by pipeline {self.name}: add {example.replace('name', name, 1)}"
                )
        return given

    def check_images(self, registry: str) -> None:
        """Raises UserError if an image has no digest (it was never pushed) or is in another registry."""
        for image, users in sorted(self.images.items()):
            who = ", ".join(sorted(set(users))[:4]) + (" and more" if len(set(users)) > 4 else "")
            if not BY_DIGEST.match(image):
                raise UserError(
                    f"image {image} (of {who}): has no digest in components/images/digests.yaml, so no cluster can "
                    f"pull it: {_make('images', image)}, then {_make('images-push', image, registry or '...')}"
                )
            if registry and not image.startswith(registry.rstrip("/") + "/"):
                raise UserError(
                    f"image {image} (of {who}): is not in images.registry = {registry}: "
                    f"{_make('images-push', image, registry)}, or correct images.registry"
                )


def _make(target: str, image: str, registry: str = "") -> str:
    """The command that builds or pushes an image; the CUDA image needs VARIANTS=cuda."""
    variants = " VARIANTS=cuda" if CUDA in image else ""
    return f"make {target}{variants}" + (f" REGISTRY={registry}" if registry else "")


def _value(name: str, text: str, kind: str) -> Any:
    called, example = TYPES[kind]
    if kind == "STRING":
        return text
    try:
        # a list may lack quotes: a shell turns ["t2", "k2"] into [t2, k2]
        value = yaml.safe_load(text) if kind == "LIST" else json.loads(text)
    except (json.JSONDecodeError, yaml.YAMLError):
        value = None
    fits = {
        "NUMBER_INTEGER": isinstance(value, int) and not isinstance(value, bool),
        "NUMBER_DOUBLE": isinstance(value, int | float) and not isinstance(value, bool),
        "BOOLEAN": isinstance(value, bool),
        "LIST": isinstance(value, list),
        "STRUCT": isinstance(value, dict),
    }[kind]
    if not fits:
        raise UserError(f"parameter {name} = {text!r}: must be {called}: {example.replace('name', name, 1)}")
    return value

"""The services of mlflow/compose.yaml, for tests that run the same commands without Docker."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[1] / "mlflow"
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<text>[^}]*))?\}")


def example() -> dict[str, str]:
    """The variables of .env.example and their values; those for the user to fill in are empty."""
    lines = (FOLDER / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def services(values: Mapping[str, str]) -> dict[str, Any]:
    """The services with variables filled in as docker compose does: ${A}, ${A:-default}, ${A:?message}.

    Args:
        values: the contents of .env.

    Raises:
        KeyError: a variable that must have a value has none.
    """

    def fill(found: re.Match) -> str:
        value = values.get(found["name"], "")
        if not value and found["kind"] == "?":
            raise KeyError(f"{found['name']}: {found['text']}")
        return value or (found["text"] or "")

    def filled(value: Any) -> Any:
        if isinstance(value, str):
            return VARIABLE.sub(fill, value)
        if isinstance(value, list):
            return [filled(item) for item in value]
        return {key: filled(item) for key, item in value.items()} if isinstance(value, dict) else value

    return filled(yaml.safe_load((FOLDER / "compose.yaml").read_text()))["services"]


def variables() -> set[str]:
    """Names of the variables that compose.yaml reads."""
    return {found["name"] for found in VARIABLE.finditer((FOLDER / "compose.yaml").read_text())}


def host_path(service: Mapping[str, Any], inside: str) -> Path:
    """The file of the project that is mounted at a path inside the container."""
    for volume in service["volumes"]:
        outer, _, rest = volume.partition(":")
        if rest.split(":")[0] == inside:
            return (FOLDER / outer).resolve()
    raise KeyError(f"{inside}: is not mounted")

"""Keeps README.md of every component true to its code: `python -m components.describe --write`, or make graph.

What stands below the mark is written anew; the lines above it are written by hand.
"""

import argparse
import importlib
import re
import sys
from pathlib import Path

from kfp.dsl.base_component import BaseComponent

from speech_emotion.reporting.rendering import render
from speech_emotion.store.atomic import write_text

COMPONENTS = Path(__file__).parent
MARK = "<!-- what follows is written by make graph -->"
PODS = "CPU, memory, time and retries of its pods: `pipelines/cluster.yaml`."


def names() -> list[str]:
    """Components of the project, by their folders."""
    return sorted(path.parent.name for path in COMPONENTS.glob("*/component.py"))


def component_of(name: str) -> BaseComponent:
    """The component of that folder."""
    return getattr(importlib.import_module(f"components.{name}.component"), name)


def readme(name: str) -> str:
    """README.md as it should be; where there is none yet, with the component's docstring above the mark."""
    component, path = component_of(name), COMPONENTS / name / "README.md"
    head = f"# {name}\n{_summary(component)}\n\n"
    if path.is_file():
        head = path.read_text(encoding="utf-8").partition(MARK)[0].rstrip("\n") + "\n\n"
    return f"{head}{MARK}\n{_ports(component)}\n\n{PODS}\n"


def differing() -> list[str]:
    """Names of the components whose README.md is not as it should be."""
    return [name for name in names() if _present(name) != readme(name)]


def _present(name: str) -> str:
    path = COMPONENTS / name / "README.md"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _summary(component: BaseComponent) -> str:
    text = component.python_func.__doc__ or ""
    return " ".join(re.split(r"\n\s*(?:Args|Returns):", text)[0].split())


def _meanings(component: BaseComponent) -> dict[str, str]:
    lines = (component.python_func.__doc__ or "").partition("Args:")[2].partition("Returns:")[0]
    return dict(re.findall(r"^\s+(\w+): (.+)$", lines, flags=re.MULTILINE))


def _ports(component: BaseComponent) -> str:
    spec, meanings = component.component_spec, _meanings(component)
    ways = (("in", spec.inputs or {}), ("out", spec.outputs or {}))
    ports = [
        {"name": name, "way": way, "type": _type(port), "meaning": meanings.get(name, "")}
        for way, of in ways
        for name, port in of.items()
    ]
    return render("component.md.j2", ports=ports).rstrip("\n")


def _type(port: object) -> str:
    kind = port.type.partition("@")[0].removeprefix("system.")
    return f"{kind}s" if getattr(port, "is_artifact_list", False) else kind


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m components.describe", description=__doc__)
    parser.add_argument("--write", action="store_true", help="rewrite README.md where it differs")
    options = parser.parse_args(arguments)
    for name in (found := differing()):
        if options.write:
            write_text(COMPONENTS / name / "README.md", readme(name))
            print(f"components/{name}/README.md: rewritten")
        else:
            print(f"error: components/{name}/README.md: differs from the code: run make graph", file=sys.stderr)
    return 1 if found and not options.write else 0


if __name__ == "__main__":
    sys.exit(main())

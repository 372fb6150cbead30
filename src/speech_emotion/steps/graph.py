"""Keeps dvc.yaml in step with the code: deps are a step's inputs and the packages it runs, params are its sections.

`python -m speech_emotion.steps.graph --write` rewrites these two lists of every step's stage, and leaves everything
else, including comments, unchanged; without --write it reports whether they differ.
"""

import argparse
import ast
import functools
import sys
from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

import speech_emotion
import speech_emotion_jetson
from speech_emotion.errors import UserError, exit_status
from speech_emotion.steps.driver import NAMES, load_step
from speech_emotion.steps.step import Step
from speech_emotion.store.atomic import write_text

GRAPH_FILE = Path("dvc.yaml")
PACKAGE = "speech_emotion"
RUNTIME_SOURCE = "jetson/src/speech_emotion_jetson"  # the device's runtime; each of its modules counts separately
CATALOGUE = f"{PACKAGE}.systems.catalogue"  # finds systems by name, without import statements
OF_SYSTEMS = ("systems", "layers", "learning")  # packages that any system may use
# Infrastructure that does not affect a step's outputs: editing it restarts nothing
CARRIERS = {
    "store", "cli.py", "compiled.py", "errors.py", "parallel.py", "params.py", "parentage.py", "provenance.py",
    "recorder.py", "sections.py", "yaml_files.py", "__init__.py",
    "steps/__init__.py", "steps/driver.py", "steps/step.py", "steps/wanted.py",
    f"{RUNTIME_SOURCE}/__init__.py", f"{RUNTIME_SOURCE}/errors.py",
}  # fmt: skip
# Packages and sections that the files of steps/wanted.py cover
COVERED_ROOMS = {
    "audio", "encoders", "features", *OF_SYSTEMS, f"{RUNTIME_SOURCE}/reading.py", f"{RUNTIME_SOURCE}/wav.py",
}  # fmt: skip
COVERED_SECTIONS = {"augment", "candidates", "features", "needs", "preprocess"}
READ_FROM_TOP = {  # modules that read files outside the package
    f"{PACKAGE}.corpora.protocols": "protocols",
    f"{PACKAGE}.evaluation.claims": "papers",
}
SOURCE = Path(speech_emotion.__file__).parent
RUNTIME = Path(speech_emotion_jetson.__file__).parent


def import_closure(*modules: str) -> list[str]:
    """Returns all files of the package and of the device's runtime that `modules` import, with their data files.

    Imports, including those inside functions, are read from the syntax tree; nothing is run. A file or folder beside a
    module, other than Python, belongs to it if the module contains its name as a string.

    Args:
        modules: dotted names, e.g. "speech_emotion.steps.train".

    Returns:
        Sorted paths as in dvc.yaml, e.g. "src/speech_emotion/errors.py".
    """
    found: dict[str, list[str]] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        data, imported = _read(_file(module), module)
        found[module] = [_spelled(path) for path in (_file(module), *data)]
        waiting += [*_parents(module), *imported]
    return sorted({path for paths in found.values() for path in paths})


def stage_deps(step: Step) -> list[str]:
    """Returns the deps of a step's stage: input folders and files, then the packages that affect its outputs.

    A step with a file of steps/wanted.py depends on this file in place of everything it covers. A step for a single
    recipe or feature depends on no code at all, since the file covers everything.
    """
    inputs = step.inputs.values() if step.dvc_inputs is None else step.dvc_inputs
    found = [_template(path) for path in (*inputs, *filter(None, [step.wanted]))]
    if step.each:
        return found
    closure = import_closure(f"{PACKAGE}.steps.{step.name}")
    found += [path for name, path in READ_FROM_TOP.items() if _spelled(_file(name)) in closure]
    rooms = {_room(path) for path in closure}
    if _spelled(_file(CATALOGUE)) in closure:
        rooms |= {room for room in OF_SYSTEMS if (SOURCE / room).is_dir()}
    rooms -= CARRIERS
    if step.per_system:
        rooms -= COVERED_ROOMS - set(step.own_rooms)
    return [*found, *sorted(room if room.startswith("jetson/") else f"src/{PACKAGE}/{room}" for room in rooms)]


def _room(path: str) -> str:
    """The package that a file belongs to; top-level files, steps and the runtime's modules count separately."""
    if path.startswith(RUNTIME_SOURCE):
        return path
    inside = path.removeprefix(f"src/{PACKAGE}/")
    room, separator, _ = inside.partition("/")
    return inside if room == "steps" or not separator else room


def stage_params(step: Step) -> list[str]:
    """Returns the params of a step's stage, as keys of params.yaml, except those that steps/wanted.py covers."""
    if step.each:
        return []
    covered = {section for section in step.sections if step.wanted and section.split(".")[0] in COVERED_SECTIONS}
    covered -= {section for section in covered if "{system}" in section}
    if step.per_system:
        covered.add("budgets.{corpus}")  # the system's own part of it is covered
    return [_template(section) for section in step.sections if section not in covered]


def rewritten(text: str, steps: Iterable[Step]) -> str:
    """Returns dvc.yaml's text with updated deps and params.

    Args:
        text: the present text.
        steps: the steps to update.

    Raises:
        UserError: dvc.yaml has no stage for a step.
    """
    yaml = YAML(typ="rt")  # round trip: keeps comments, and never constructs objects from tags
    yaml.width = 110
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.preserve_quotes = True
    document = yaml.load(text)
    for step in steps:
        stage = stage_of(document, step.name)
        for key, values in (("deps", stage_deps(step)), ("params", stage_params(step))):
            if list(stage.get(key, ())) != values:
                stage[key] = values
            if not values:
                stage.pop(key, None)
    stream = StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()


def stage_of(document: Mapping[str, Any], name: str) -> Any:
    """Returns a stage's mapping with cmd, deps, params and outs, with or without instances.

    Raises:
        UserError: there is no such stage.
    """
    try:
        stage = document["stages"][name]
    except KeyError:
        raise UserError(f"{GRAPH_FILE}: stages.{name}: is missing: add it with its cmd and outs") from None
    return stage.get("do", stage)


def _template(text: str) -> str:
    return text.format(corpus="${corpus}", system="${item}", each="${key}")


def _path(module: str) -> Path:
    package, *rest = module.split(".")
    return (RUNTIME if package == RUNTIME.name else SOURCE).joinpath(*rest)


def _file(module: str) -> Path:
    path = _path(module)
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _spelled(path: Path) -> str:
    if path.is_relative_to(RUNTIME):
        return (Path(RUNTIME_SOURCE) / path.relative_to(RUNTIME)).as_posix()
    return (Path("src") / PACKAGE / path.relative_to(SOURCE)).as_posix()


@functools.cache
def _read(path: Path, module: str) -> tuple[list[Path], list[str]]:
    """Returns a module's data files and the modules that it imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return _data(module, tree), _imported(module, tree)


def _parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def _imported(module: str, tree: ast.Module) -> list[str]:
    names = []
    package = module if _path(module).is_dir() else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *filter(None, [base])])
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return [name for name in names if name.split(".")[0] in (PACKAGE, RUNTIME.name) and _file(name).is_file()]


def _data(module: str, tree: ast.Module) -> list[Path]:
    folder = _file(module).parent
    beside = {
        path.name: path
        for path in folder.iterdir()
        if path.suffix != ".py" and not (path / "__init__.py").exists() and path.name != "__pycache__"
    }
    spelled = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return [beside[name] for name in sorted(beside.keys() & spelled)]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m speech_emotion.steps.graph", description=__doc__)
    parser.add_argument("--write", action="store_true", help="rewrite dvc.yaml")
    options = parser.parse_args(arguments)
    return exit_status(lambda: _check(options.write))


def _check(write: bool) -> None:
    try:
        text = GRAPH_FILE.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError(f"{GRAPH_FILE}: no such file: run from the project's top folder") from error
    wanted = rewritten(text, [load_step(name) for name in NAMES])
    if wanted == text:
        print(f"{GRAPH_FILE}: up to date")
    elif write:
        write_text(GRAPH_FILE, wanted)
        print(f"{GRAPH_FILE}: rewritten")
    else:
        raise UserError(f"{GRAPH_FILE}: does not match the steps: run make graph")


if __name__ == "__main__":
    sys.exit(main())

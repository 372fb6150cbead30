"""Keeps dvc.yaml true to the steps: deps are input folders and the code a step imports, params are its sections.

`python -m speech_emotion.steps.graph --write` rewrites these two lists of every stage and leaves all else, comments
too, as it stands; without --write it names the stages that differ.
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
from speech_emotion.errors import UserError, exit_status
from speech_emotion.steps.driver import NAMES, load_step
from speech_emotion.steps.step import Step
from speech_emotion.store.atomic import write_text
from speech_emotion.systems.catalogue import architectures

GRAPH_FILE = Path("dvc.yaml")
PACKAGE = "speech_emotion"
SYSTEMS = f"{PACKAGE}.systems"
CATALOGUE = f"{SYSTEMS}.catalogue"  # finds systems by name, which no import statement shows
READ_FROM_TOP = {  # modules that read files outside the package
    f"{PACKAGE}.corpora.protocols": "protocols",
    f"{PACKAGE}.evaluation.claims": "papers",
}
SOURCE = Path(speech_emotion.__file__).parent


def import_closure(*modules: str) -> list[str]:
    """Everything of the package that importing `modules` brings in, with the data files that lie beside the code.

    Imports are read from the syntax tree, those inside functions too; nothing is run. A file or folder beside a
    module, other than Python, belongs to it if the module spells its name.

    Args:
        modules: dotted names, e.g. "speech_emotion.steps.train".

    Returns:
        Sorted paths as dvc.yaml spells them, e.g. "src/speech_emotion/errors.py".
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
    """Deps of a step's stage: input folders, then files.

    A stage that takes any system depends on the folder of systems, so that a new one needs no line in dvc.yaml.
    """
    module = f"{PACKAGE}.steps.{step.name}"
    files = set(import_closure(module))
    folders = [_template(folder) for folder in step.inputs.values()]
    folders += [path for name, path in READ_FROM_TOP.items() if _spelled(_file(name)) in files]
    if _spelled(_file(CATALOGUE)) in files:
        systems = _spelled(SOURCE / "systems")
        files |= set(import_closure(*(f"{SYSTEMS}.{name.replace('-', '_')}" for name in architectures())))
        files = {path for path in files if not path.startswith(f"{systems}/")} | {systems}
    return [*folders, *sorted(files)]


def stage_params(step: Step) -> list[str]:
    """Params of a step's stage, as keys of params.yaml."""
    return [_template(section) for section in step.sections]


def rewritten(text: str, steps: Iterable[Step]) -> str:
    """dvc.yaml's text with the deps and params that the steps ask for.

    Raises:
        UserError: dvc.yaml has no stage for a step.
    """
    yaml = YAML(typ="rt")  # round trip: keeps comments, and makes plain values alone of any tag
    yaml.width = 110
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.preserve_quotes = True
    document = yaml.load(text)
    for step in steps:
        stage = stage_of(document, step.name)
        for key, values in (("deps", stage_deps(step)), ("params", stage_params(step))):
            if list(stage.get(key, ())) != values:
                stage[key] = values
    stream = StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()


def stage_of(document: Mapping[str, Any], name: str) -> Any:
    """A stage's mapping with cmd, deps, params and outs, whether it has instances or not.

    Raises:
        UserError: there is no such stage.
    """
    try:
        stage = document["stages"][name]
    except KeyError:
        raise UserError(f"{GRAPH_FILE}: stages.{name}: is missing: add it with its cmd and outs") from None
    return stage.get("do", stage)


def _template(text: str) -> str:
    return text.format(corpus="${corpus}", system="${item}")


def _path(module: str) -> Path:
    return SOURCE.joinpath(*module.split(".")[1:])


def _file(module: str) -> Path:
    path = _path(module)
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _spelled(path: Path) -> str:
    return (Path("src") / PACKAGE / path.relative_to(SOURCE)).as_posix()


@functools.cache
def _read(path: Path, module: str) -> tuple[list[Path], list[str]]:
    """The data files beside a module that belong to it, and the modules that it imports."""
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
    return [name for name in names if name.split(".")[0] == PACKAGE and _file(name).is_file()]


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
        raise UserError(f"{GRAPH_FILE}: differs from the steps: run make graph")


if __name__ == "__main__":
    sys.exit(main())

"""Finds architectures, and the systems that params.yaml configures from them.

A module of this package with a class `Recogniser` is an architecture, named after the class attribute ARCHITECTURE.
A system is a named configuration of one: reserved keys (Reserved) and hyper-parameters.
"""

import ast
import importlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from speech_emotion.errors import UserError
from speech_emotion.features.frontend import FrontEnd
from speech_emotion.params import Feature, Name, Params, Recipe
from speech_emotion.sections import Section, check
from speech_emotion.store.atomic import write_text
from speech_emotion.systems.base import Definition, System, SystemConfig

DEFINITION = "system.json"
CLASS = "Recogniser"
NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
FOLDER = Path(__file__).parent

Systems = Mapping[str, Mapping[str, Any]]  # section `systems` of params.yaml


class Reserved(Section):
    """Keys of a system that are not hyper-parameters.

    Attributes:
        architecture: name of the architecture, a file in systems/.
        title: the name shown in tables; it begins with the system's id.
        paper: folder under papers/ with the paper's claims; by default the architecture's.
        builds_on: systems whose predictions it uses.
    """

    architecture: Name
    title: Annotated[str, Field(min_length=1)]
    paper: Name | None = None
    builds_on: tuple[Name, ...] = ()


def architectures() -> list[str]:
    """Names of all architectures, sorted; their files are parsed but not run."""
    found = []
    for path in FOLDER.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.ClassDef) and node.name == CLASS for node in tree.body):
            found.append(path.stem.replace("_", "-"))
    return sorted(found)


def architecture_class(name: str) -> type[System]:
    """The class of an architecture.

    Raises:
        UserError: there is no architecture of that name, or its file declares another name.
    """
    module = name.replace("-", "_")
    there = NAME.fullmatch(name) and (FOLDER / f"{module}.py").is_file()
    found = getattr(importlib.import_module(f"speech_emotion.systems.{module}"), CLASS, None) if there else None
    if found is None:
        raise UserError(f"architecture = {name}: must be one of {', '.join(architectures())}, files of systems/")
    if name != found.ARCHITECTURE:
        raise UserError(f"systems/{module}.py: ARCHITECTURE = {found.ARCHITECTURE}: name the file after it")
    return found


def system_class(config: SystemConfig) -> type[System]:
    """The class of a system's architecture."""
    return architecture_class(config.architecture)


def system_config(systems: Systems, id: str, file: str = "params.yaml") -> SystemConfig:
    """The configuration of a system, checked.

    Args:
        systems: all systems, as read from the file.
        id: the system.
        file: the file name in error messages.

    Raises:
        UserError: the system or its architecture does not exist, or a reserved key is missing or wrong.
    """
    if id not in systems:
        raise UserError(f"system = {id}: must be one of {', '.join(sorted(systems))}: a key of {file}'s systems")
    raw = {name: value for name, value in systems[id].items() if name in Reserved.model_fields}
    reserved: Reserved = check(Reserved, raw, file, f"systems.{id}")
    key = f"{file}: systems.{id}"
    try:
        cls = architecture_class(reserved.architecture)
    except UserError as error:
        raise UserError(f"{key}.{error}") from None
    if reserved.builds_on and not cls.ASKS_MEMBERS_FOR:
        raise UserError(f"{key}.builds_on: {cls.ARCHITECTURE} takes no predictions of other systems: remove it")
    if len(set(reserved.builds_on)) < len(reserved.builds_on):
        raise UserError(f"{key}.builds_on = {list(reserved.builds_on)}: must name each system once")
    return SystemConfig(id, cls.ARCHITECTURE, reserved.title, reserved.paper or cls.PAPER, reserved.builds_on)


def hyperparameters_of(systems: Systems, id: str) -> dict[str, Any]:
    """A system's hyper-parameters from params.yaml, without the reserved keys."""
    return {name: value for name, value in systems[id].items() if name not in Reserved.model_fields}


def check_hyperparameters(config: SystemConfig, raw: Mapping[str, Any], file: str = "params.yaml") -> Section:
    """A system's hyper-parameters as an instance of its architecture's Params.

    Args:
        config: the system.
        raw: hyper-parameters as read from the file.
        file: the file name in error messages.

    Raises:
        UserError: one line for each error, with the file, key, value and what is allowed.
    """
    return check(system_class(config).Params, dict(raw), file, prefix=f"systems.{config.id}")


def check_system_params(params: Params, id: str) -> Section:
    """A system's hyper-parameters from params.yaml, checked; the systems it builds on are checked too."""
    for member in members_of(params.systems, id):
        if member not in getattr(params, "needs", {}):
            raise UserError(f"params.yaml: needs.{member}: is missing, and {id} builds on {member}: add it")
        check_system_params(params, member)
        if member not in getattr(params, "candidates", (member,)):
            _check_covered(params, id, member)
    return check_hyperparameters(system_config(params.systems, id), hyperparameters_of(params.systems, id))


def _check_covered(params: Params, id: str, member: str) -> None:
    """Inputs are made for candidates: those of a member that is not one must be among those of the system above it.

    Raises:
        UserError: the member needs another recipe, length, more copies or other features.
    """
    own, needed, rate = params.needs[id], params.needs[member], params.preprocess.sample_rate
    same = own.copies >= needed.copies and all(
        name in own.features and own.variant(params.features[name], rate) == needed.variant(params.features[name], rate)
        for name in needed.features
    )
    if not same:
        raise UserError(
            f"params.yaml: needs.{id}: must have the recipe, min_seconds, copies and features of needs.{member}, on "
            f"which it builds: copy them, or add {member} to candidates"
        )


def members_of(systems: Systems, id: str) -> list[str]:
    """All systems that a system builds on, directly or indirectly, each after the systems it builds on itself.

    Raises:
        UserError: one of them does not exist, or they build on each other.
    """
    return in_order(systems, [id], True)[:-1]


def in_order(systems: Systems, ids: Iterable[str], with_members: bool = False) -> list[str]:
    """The systems sorted so that each follows the systems it builds on; otherwise their order is kept.

    Args:
        systems: all systems, as read from the file.
        ids: the systems to sort.
        with_members: add the systems they build on if these are not in `ids`.

    Raises:
        UserError: one of them does not exist, or they build on each other.
    """
    wanted, ordered = list(ids), []

    def add(id: str, above: tuple[str, ...]) -> None:
        if id in above:
            raise UserError(f"params.yaml: systems.{id}.builds_on: {' -> '.join((*above, id))}: remove one of these")
        if id not in ordered:
            for member in system_config(systems, id).builds_on:
                add(member, (*above, id))
            ordered.append(id)

    for id in wanted:
        add(id, ())
    return ordered if with_members else [id for id in ordered if id in wanted]


def create_system(
    config: SystemConfig,
    hyperparameters: Mapping[str, Any],
    recipe: Recipe,
    features: Mapping[str, Feature],
    dims: Mapping[str, int],
    sample_rate: int,
    labels: Sequence[str],
) -> System:
    """A fresh, unfitted system.

    Args:
        config: the system's configuration, from system_config().
        hyperparameters: values for its architecture's Params, not yet checked.
        recipe: preprocessing of the waveforms.
        features: name -> definition, in the order of the system's inputs.
        dims: name -> number of dimensions, derivatives included.
        sample_rate: Hz.
        labels: emotions in the order of the outputs.

    Raises:
        UserError: hyper-parameters are out of range, or the features do not fit the architecture.
    """
    values = check_hyperparameters(config, hyperparameters)
    definition = Definition(config, values, recipe, dict(features), dict(dims), sample_rate, tuple(labels))
    return system_class(config)(definition)


def front_end_dims(features: Mapping[str, Feature], sample_rate: int) -> dict[str, int]:
    """Dimensions of front-end features, derivatives included."""
    return {name: FrontEnd(f, sample_rate).dims * (1 + f.deltas) for name, f in features.items()}


def save_system(system: System, folder: Path) -> None:
    """Writes system.json and the fitted parts into `folder`, which is created if it does not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / DEFINITION, json.dumps(system.definition.to_json(), indent=1) + "\n")
    system.save(folder)


def load_system(folder: Path) -> System:
    """Reads what save_system wrote. Nothing in the folder is run as code.

    Raises:
        UserError: the folder holds no system, or one saved by an earlier version.
    """
    path = Path(folder) / DEFINITION
    if not path.is_file():
        raise UserError(f"{path}: is not there: train the system first (dvc repro)")
    raw = json.loads(path.read_text())
    if "architecture" not in raw:
        raise UserError(f"{path}: was written by an earlier version: remove {folder} and train again (dvc repro)")
    config = SystemConfig(raw["id"], raw["architecture"], raw["title"], raw["paper"], tuple(raw["builds_on"]))
    features = {
        name: check(Feature, feature, str(path), f"features.{name}") for name, feature in raw["features"].items()
    }
    recipe = check(Recipe, raw["recipe"], str(path), "recipe")
    system = create_system(config, raw["params"], recipe, features, raw["dims"], raw["sample_rate"], raw["labels"])
    system.restore(Path(folder))
    return system

"""Finds systems by id: a module of this package with a class `Recogniser` is a system."""

import importlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from speech_emotion.errors import UserError
from speech_emotion.features.frontend import FrontEnd
from speech_emotion.params import Feature, Params, Recipe
from speech_emotion.sections import Section, check
from speech_emotion.store.atomic import write_text
from speech_emotion.systems.base import Definition, System

DEFINITION = "system.json"
ID = re.compile(r"[a-z0-9][a-z0-9_-]*")


def system_class(id: str) -> type[System]:
    """The class of a system.

    Raises:
        UserError: there is no such system.
    """
    module = f"speech_emotion.systems.{id.replace('-', '_')}"
    try:
        if not ID.fullmatch(id):
            raise ModuleNotFoundError(name=module)
        return importlib.import_module(module).Recogniser
    except (ModuleNotFoundError, AttributeError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name != module:
            raise
        raise UserError(f"system {id}: src/speech_emotion/systems/{id}.py has no class Recogniser: add it") from None


def check_hyperparameters(id: str, raw: Mapping[str, Any], file: str = "params.yaml") -> Section:
    """A system's hyper-parameters as its own typed values.

    Raises:
        UserError: one line a fault, naming file, key, value and what is allowed.
    """
    return check(system_class(id).Params, dict(raw), file, prefix=f"systems.{id}")


def check_system_params(params: Params, id: str) -> Section:
    """The hyper-parameters that params.yaml gives a system."""
    return check_hyperparameters(id, params.systems[id])


def create_system(
    id: str,
    hyperparameters: Mapping[str, Any],
    recipe: Recipe,
    features: Mapping[str, Feature],
    dims: Mapping[str, int],
    sample_rate: int,
    labels: Sequence[str],
) -> System:
    """A fresh, unfitted system."""
    values = check_hyperparameters(id, hyperparameters)
    return system_class(id)(Definition(id, values, recipe, dict(features), dict(dims), sample_rate, tuple(labels)))


def front_end_dims(features: Mapping[str, Feature], sample_rate: int) -> dict[str, int]:
    """Dimensions of front-end features, derivatives included."""
    return {name: FrontEnd(f, sample_rate).dims * (1 + f.deltas) for name, f in features.items()}


def save_system(system: System, folder: Path) -> None:
    """Writes system.json and what was fitted into `folder`, made if absent."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / DEFINITION, json.dumps(system.definition.to_json(), indent=1) + "\n")
    system.save(folder)


def load_system(folder: Path) -> System:
    """Reads what save_system wrote; nothing in the folder is run as code.

    Raises:
        UserError: the folder holds no system, or one of another version.
    """
    path = Path(folder) / DEFINITION
    if not path.is_file():
        raise UserError(f"{path}: is not there: train the system first (dvc repro)")
    raw = json.loads(path.read_text())
    features = {
        name: check(Feature, feature, str(path), f"features.{name}") for name, feature in raw["features"].items()
    }
    recipe = check(Recipe, raw["recipe"], str(path), "recipe")
    system = create_system(raw["id"], raw["params"], recipe, features, raw["dims"], raw["sample_rate"], raw["labels"])
    system.restore(Path(folder))
    return system

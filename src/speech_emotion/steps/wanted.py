"""What systems need from the steps before training, and everything that decides it.

`python -m speech_emotion.steps.wanted recipes|features|inputs FOLDER` writes one small file for each recipe, feature or
system. DVC's stages depend on these files instead of params and code, so that a recipe or a feature is computed again
only if its own file changes: its definition, the versions of its code, the audio, or what the candidates need.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speech_emotion.audio.augmentation import augmentation_identity
from speech_emotion.audio.preparation import recipe_identity
from speech_emotion.corpora.table import iterate_all
from speech_emotion.errors import exit_status
from speech_emotion.features.versions import feature_identity
from speech_emotion.params import Params, load_params
from speech_emotion.steps.step import StepParams
from speech_emotion.store.atomic import atomic_folders, write_text
from speech_emotion.store.hashing import hash_json

TABLE = Path("artifacts/ingest/utterances.parquet")
Wishes = Params | StepParams


@dataclass(frozen=True, order=True)
class Variant:
    """One variant of a feature.

    Attributes:
        folder: its folder below that of the feature.
        recipe: the recipe of the waveforms.
        min_samples: shorter waveforms are repeated to this length, in samples.
        copies: number of augmented copies of each utterance.
    """

    folder: str
    recipe: str
    min_samples: int
    copies: int


def wanted_recipes(params: Wishes) -> dict[str, int]:
    """Returns recipe -> number of augmented copies of each utterance, the maximum over the candidates."""
    found: dict[str, int] = {}
    for system in params.candidates:
        needs = params.needs[system]
        found[needs.recipe] = max(needs.copies, found.get(needs.recipe, 0))
    return dict(sorted(found.items()))


def wanted_features(params: Wishes) -> dict[str, list[Variant]]:
    """Returns feature -> variants, each with the maximum number of copies over the candidates; both sorted by name."""
    found: dict[str, dict[str, Variant]] = {}
    rate = params.preprocess.sample_rate
    for system in params.candidates:
        needs = params.needs[system]
        for name in needs.features:
            folder = needs.variant(params.features[name], rate)
            samples = needs.samples(rate) if params.features[name].repeats else 0
            variants = found.setdefault(name, {})
            copies = max(needs.copies, variants[folder].copies if folder in variants else 0)
            variants[folder] = Variant(folder, needs.recipe, samples, copies)
    return {name: sorted(found[name].values()) for name in sorted(found)}


def recipe_files(params: Params) -> dict[str, Any]:
    """Returns `waveforms/<recipe>` and `copies/<recipe>` of each recipe -> what decides them; None if not needed."""
    wanted = wanted_recipes(params)
    files: dict[str, Any] = {}
    for name, recipe in params.preprocess.recipes.items():
        copies = wanted.get(name, 0)
        files[f"waveforms/{name}"] = recipe_identity(recipe, params.preprocess) if name in wanted else None
        files[f"copies/{name}"] = augmentation_identity(params.augment, copies) if copies else None
    return files


def feature_files(params: Params, audio: str) -> dict[str, Any]:
    """Returns feature -> what decides each of its variants; empty if no candidate needs it.

    Args:
        params: all of params.
        audio: hash of the utterances.
    """
    wanted = wanted_features(params)
    return {
        name: [_made_of(params, name, variant, audio) for variant in wanted.get(name, ())] for name in params.features
    }


def input_files(params: Params, audio: str) -> dict[str, Any]:
    """Returns candidate -> what decides its trainings: its inputs in order, versions, and the systems it builds on."""
    return {system: _of_system(params, system, audio) for system in params.candidates}


def _of_system(params: Params, system: str, audio: str) -> dict[str, Any]:
    from speech_emotion.learning.loop import TRAINING_VERSION
    from speech_emotion.systems.catalogue import system_class, system_config
    from speech_emotion.training.keys import architecture_identity

    config, needs, rate = system_config(params.systems, system), params.needs[system], params.preprocess.sample_rate
    inputs = []
    for name in needs.features:
        feature = params.features[name]
        samples = needs.samples(rate) if feature.repeats else 0
        variant = Variant(needs.variant(feature, rate), needs.recipe, samples, needs.copies)
        inputs.append({"feature": name, **_made_of(params, name, variant, audio)})
    found = {
        "architecture": architecture_identity(system_class(config)),
        "budget": {
            "protocol": params.budget.protocol,
            "seeds": params.budget.seeds_of(system),
            "first_seed": params.budget.seeds[0],
            "folds": params.budget.folds,
            "max_epochs": params.budget.max_epochs,
        },
        "training": TRAINING_VERSION,
        "inputs": inputs,
    }
    if config.builds_on:
        found["builds_on"] = {
            member: {"settings": params.systems[member], **_of_system(params, member, audio)}
            for member in config.builds_on
        }
    return found


def _made_of(params: Params, name: str, variant: Variant, audio: str) -> dict[str, Any]:
    recipe = params.preprocess.recipes[variant.recipe]
    return {
        "folder": variant.folder,
        "definition": feature_identity(name, params.features, variant.min_samples),
        "waveforms": recipe_identity(recipe, params.preprocess),
        "copies": augmentation_identity(params.augment, variant.copies) if variant.copies else None,
        "audio": audio,
    }


def audio_hash(table: Path) -> str:
    """Returns a hash over the id and SHA-256 of each utterance in the table."""
    return hash_json([list(row) for row in iterate_all(table, ("id", "sha256"))])


def files_of(kind: str, params: Params, audio: str) -> dict[str, Any]:
    """Returns name -> contents, for the files of one kind.

    Args:
        kind: recipes, features or inputs.
        params: all of params.
        audio: hash of the utterances; not used for recipes.
    """
    if kind == "recipes":
        return recipe_files(params)
    return (feature_files if kind == "features" else input_files)(params, audio)


def write_files(kind: str, folder: Path) -> None:
    """Writes <name>.json for each recipe, feature or system, all of them or none.

    Args:
        kind: as for files_of.
        folder: receives the files.

    Raises:
        UserError: params.yaml is invalid, or the table of utterances does not exist.
    """
    params = load_params()
    files = files_of(kind, params, "" if kind == "recipes" else audio_hash(TABLE))
    with atomic_folders(folder) as (temporary,):
        for name, value in files.items():
            write_text(temporary / f"{name}.json", json.dumps(value, indent=1, sort_keys=True) + "\n")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m speech_emotion.steps.wanted", description=__doc__)
    parser.add_argument("kind", choices=("recipes", "features", "inputs"))
    parser.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    return exit_status(lambda: write_files(options.kind, options.folder))


if __name__ == "__main__":
    sys.exit(main())

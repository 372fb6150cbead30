"""Small experiments for any architecture, made from its test_params().

The classes of the made-up features differ in level and, if a feature has frames, in rhythm.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from speech_emotion.learning.loop import Limits
from speech_emotion.learning.utterances import Utterances
from speech_emotion.params import Feature, Recipe
from speech_emotion.store.arrays import ArrayStore, ArrayWriter
from speech_emotion.systems.base import System, SystemConfig
from speech_emotion.systems.catalogue import architecture_class, create_system

RATE = 16000
LABELS = ("anger", "neutral", "sadness")
MEMBERS = ("one", "two", "three", "four", "five")
VECTOR = 40  # dimensions of statistics
FRAMES = {"frame": 256, "hop": 128}
SPECTRUM = {**FRAMES, "n_fft": 256, "window": "hann", "preemphasis": 0.97}
DEFINITIONS = {  # kind -> definition and dimensions
    "mspec": ({**SPECTRUM, "n_mels": 16}, 16),
    "mfcc": ({**SPECTRUM, "n_mels": 16, "n_mfcc": 8}, 8),
    "spectrogram": ({**SPECTRUM, "n_bands": 16, "log": True}, 16),
    "energy": ({**FRAMES, "window": "hann"}, 1),
    "zcr": (FRAMES, 1),
    "statistics": ({"of": ["energy"]}, VECTOR),
}
PLAIN = Recipe(level="none", denoise="none", vad=False)


@dataclass(frozen=True)
class Case:
    """An architecture with its test_params() and made-up data.

    Attributes:
        architecture: the class.
        config: configuration of the system.
        hyperparameters: values from test_params().
        epochs: epochs from test_params().
        definitions: feature name -> definition.
        dims: feature name -> number of dimensions.
        stores: feature name -> arrays.
        targets: id -> class number of all utterances.
        members: system -> id -> probabilities.
    """

    architecture: type[System]
    config: SystemConfig
    hyperparameters: Mapping[str, Any]
    epochs: int
    definitions: Mapping[str, Feature]
    dims: Mapping[str, int]
    stores: Mapping[str, ArrayStore]
    targets: Mapping[str, int]
    members: Mapping[str, Mapping[str, np.ndarray]]

    def create(self, **changed: Any) -> System:
        values = {**self.hyperparameters, **changed}
        return create_system(self.config, values, PLAIN, self.definitions, self.dims, RATE, LABELS)

    def utterances(self, ids: Iterable[str], copies: bool = False) -> Utterances:
        ids = list(ids)
        members = {system: np.array([rows[id] for id in ids]) for system, rows in self.members.items()}
        return Utterances(ids, np.array([self.targets[id] for id in ids]), self.stores, copies, members)

    def part(self, first: int, last: int, copies: bool = False) -> Utterances:
        """Utterances first to last - 1."""
        return self.utterances(list(self.targets)[first:last], copies)

    def limits(self, **changed: Any) -> Limits:
        return Limits(**{"max_epochs": self.epochs, "patience": 15, **changed})


def make_case(name: str, folder: Path, count: int = 36, copies: int = 0, builds_on: tuple[str, ...] = ()) -> Case:
    """Writes made-up features into a folder and returns the case.

    Args:
        name: name of the architecture.
        folder: folder of the features.
        count: number of utterances.
        copies: number of augmented copies of each, with slightly different values.
        builds_on: ids of members, instead of the number of members in test_params().
    """
    architecture = architecture_class(name)
    small = architecture.test_params()
    members = builds_on or MEMBERS[: small.members]
    draws = np.random.default_rng(0)
    targets = {f"u{n:02d}": n % len(LABELS) for n in range(count)}
    definitions, dims, stores = {}, {}, {}
    for number, kind in enumerate(small.features):
        definition, size = DEFINITIONS[kind]
        feature = f"{kind}-{number}"
        definitions[feature], dims[feature] = Feature(kind=kind, **definition), size
        with ArrayWriter(folder / feature) as writer:
            for n, (id, target) in enumerate(targets.items()):
                array = _array(kind, size, 40 + 7 * n % 20, target, draws)
                writer.add(id, array)
                for copy in range(1, copies + 1):
                    writer.add(f"{id}#{copy}", array + 0.1 * copy, source=id)
        stores[feature] = ArrayStore(folder / feature)
    predictions = {}
    for member in members:
        scores = 1.5 * np.eye(len(LABELS))[list(targets.values())] + 0.7 * draws.normal(size=(count, len(LABELS)))
        predictions[member] = dict(
            zip(targets, np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True), strict=True)
        )
    config = SystemConfig("made-up", name, "made-up system", architecture.PAPER, members)
    return Case(
        architecture, config, small.hyperparameters, small.epochs, definitions, dims, stores, targets, predictions
    )


def _array(kind: str, size: int, frames: int, target: int, draws: np.random.Generator) -> np.ndarray:
    shape = (size,) if kind == "statistics" else (frames, size)
    level = np.linspace(-1, 1, size) if target == 2 else 2.0 * target - 1.0
    array = draws.normal(size=shape) + 1.5 * level
    if kind != "statistics":  # for systems with mean normalisation
        array += target * np.sin(np.arange(frames) * np.pi / (3 + 3 * target))[:, np.newaxis]
    return array.astype(np.float32)

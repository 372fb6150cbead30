"""Systems as params.yaml has them, with some values changed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from speech_emotion.params import Feature, Recipe, load_params
from speech_emotion.systems.base import System
from speech_emotion.systems.catalogue import create_system, hyperparameters_of, system_config

PARAMS = load_params(Path(__file__).parents[1] / "params.yaml")


def hyperparameters(id: str, **changed: Any) -> dict[str, Any]:
    """Those of params.yaml with some changed."""
    return {**hyperparameters_of(PARAMS.systems, id), **changed}


def make_system(
    id: str,
    recipe: Recipe,
    features: Mapping[str, Feature],
    dims: Mapping[str, int],
    rate: int,
    labels: Sequence[str],
    **changed: Any,
) -> System:
    """A fresh system of params.yaml with some hyper-parameters changed."""
    config = system_config(PARAMS.systems, id)
    return create_system(config, hyperparameters(id, **changed), recipe, features, dims, rate, labels)

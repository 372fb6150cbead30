"""The key of a fold run: a hash of everything that decides its result.

The behaviour of code enters as integer versions, never as source text, so finished fold runs are still found after
refactoring, renaming or upgrades. Golden tests (tests/golden) fail if results change and no version was raised.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from speech_emotion.corpora.splits import Fold
from speech_emotion.sections import Section
from speech_emotion.store.hashing import hash_json
from speech_emotion.systems.base import System

LIMITS = ("epochs",)  # hyper-parameters that enter through limits() instead


def key_of(parts: Mapping[str, Any]) -> str:
    """The key: hex sha256 of all parts, which must be JSON values."""
    return hash_json(dict(parts))


def architecture_identity(architecture: type[System]) -> dict[str, Any]:
    """Name and version of an architecture."""
    return {"name": architecture.ARCHITECTURE, "version": architecture.VERSION}


def hyperparameter_identity(values: Section, features: Sequence[str]) -> dict[str, Any]:
    """The hyper-parameters that differ from the architecture's neutral defaults, as JSON values.

    The name of a feature is replaced by its position among the inputs, so that renaming it changes no key.

    Args:
        values: checked hyper-parameters.
        features: names of the inputs, in the system's order.
    """
    neutral = {name: field.default for name, field in type(values).model_fields.items() if not field.is_required()}
    return {
        name: _by_place(value, features)
        for name, value in values.model_dump(mode="json").items()
        if name not in LIMITS and not (name in neutral and getattr(values, name) == neutral[name])
    }


def limits(values: Section, max_epochs: int, patience: int) -> dict[str, int]:
    """The largest possible number of epochs, and the patience; empty for systems that train without epochs.

    Args:
        values: checked hyper-parameters.
        max_epochs: the budget's limit.
        patience: epochs without improvement before training stops.
    """
    epochs = getattr(values, "epochs", None)
    return {} if epochs is None else {"epochs": min(epochs, max_epochs), "patience": patience}


def split_identity(fold: Fold, audio: Mapping[str, str], targets: Mapping[str, int]) -> dict[str, str]:
    """Hashes of the three parts of a fold: id, audio and class of each utterance, in order.

    Args:
        fold: the parts "train", "valid" and "test".
        audio: id -> sha256 of the audio file; the id contains start and end if the utterance is a part of the file.
        targets: id -> class number.
    """
    return {
        part: hash_json([[id, audio[id], targets[id]] for id in getattr(fold, part)])
        for part in ("train", "valid", "test")
    }


def audio_of(rows: pd.DataFrame) -> dict[str, str]:
    """Id -> sha256 of the audio file, from the rows of the utterance table."""
    return dict(zip(rows["id"], rows["sha256"], strict=True))


def _by_place(value: Any, features: Sequence[str]) -> Any:
    if isinstance(value, list):
        return [_by_place(item, features) for item in value]
    return {"input": features.index(value)} if isinstance(value, str) and value in features else value

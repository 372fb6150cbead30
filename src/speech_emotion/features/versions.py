"""The identity of a feature's values: its definition and its kind's version. Keys of finished trainings contain it."""

from collections.abc import Mapping
from typing import Any

from speech_emotion.params import Feature

# Raise a kind's version when its values change by more than 1e-4: trainings on the old values are then not reused.
VERSIONS = {
    "spectrogram": 1,
    "mspec": 1,
    "mfcc": 1,
    "energy": 1,
    "f0": 2,
    "voicing": 2,
    "zcr": 1,
    "chroma": 1,
    "formants": 1,
    "speech-rate": 1,
    "statistics": 1,
}
DELTAS_VERSION = 1  # of the derivatives that can be appended to any kind


def feature_identity(name: str, features: Mapping[str, Feature], min_samples: int = 0) -> dict[str, Any]:
    """All settings that decide the values of one feature of a given waveform, as JSON values without names.

    Args:
        name: a key of `features`.
        features: all definitions, since statistics are computed from other features.
        min_samples: a shorter waveform is repeated to this length; statistics and speech rate ignore it.
    """
    feature = features[name]
    identity: dict[str, Any] = {
        **feature.model_dump(exclude_defaults=True, exclude={"deltas"}),
        "version": VERSIONS[feature.kind],
    }
    if feature.deltas:
        identity |= {"deltas": feature.deltas, "deltas_version": DELTAS_VERSION}
    if feature.of:
        identity["of"] = [feature_identity(part, features) for part in feature.of]
    if min_samples and feature.repeats:
        identity["min_samples"] = min_samples
    return identity

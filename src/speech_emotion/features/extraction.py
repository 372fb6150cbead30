"""Computes any feature of a waveform by the feature's name in params.yaml."""

from collections.abc import Mapping, MutableMapping
from typing import Any

import numpy as np
import torch

from speech_emotion.features.formants import formants
from speech_emotion.features.frontend import append_deltas, frame_count
from speech_emotion.features.pitch import pitch
from speech_emotion.features.rate import speech_rate
from speech_emotion.features.spectral import SPECTRAL_KINDS, spectral
from speech_emotion.features.statistics import statistics
from speech_emotion.features.zero_crossings import zero_crossing_rate
from speech_emotion.params import Feature


def compute(
    name: str,
    waveform: np.ndarray,
    features: Mapping[str, Feature],
    sample_rate: int,
    min_samples: int = 0,
    known: MutableMapping[Any, Any] | None = None,
) -> np.ndarray:
    """Computes one feature of one waveform, with the derivatives of its definition.

    A waveform shorter than `min_samples`, or than one frame, is repeated to this length; statistics and speech rate use
    the waveform as it is. The computation is in float64.

    Args:
        name: a key of `features`.
        waveform: (n,), n at least 1, full scale 1, at `sample_rate`.
        features: the definitions.
        sample_rate: Hz.
        min_samples: least length, in samples.
        known: results for this waveform that can be shared; pass the same dict for several features of a waveform.

    Returns:
        float32: (frames, dims), where frame t is samples [t hop, t hop + frame); statistics (dims,), speech rate (1,).
    """
    known = {} if known is None else known
    feature = features[name]
    if not feature.repeats:
        min_samples = 0
    key = (name, min_samples)
    if key not in known:
        if feature.kind == "statistics":
            found = np.array(list(_statistics(name, waveform, features, sample_rate, known).values()))
        else:
            found = _contours(feature, repeat_to(waveform, min_samples), sample_rate, known)
        known[key] = found.astype(np.float32)
    return known[key]


def statistic_names(name: str, features: Mapping[str, Feature], sample_rate: int) -> list[str]:
    """The names of the dimensions of a statistics feature, in order; they are the same for all waveforms."""
    return list(_statistics(name, np.zeros(sample_rate), features, sample_rate, {}))


def repeat_to(waveform: np.ndarray, samples: int) -> np.ndarray:
    """The waveform (n,); if shorter than `samples`, repeated from its start to this length."""
    return waveform if len(waveform) >= samples else np.resize(waveform, samples)


def _statistics(
    name: str,
    waveform: np.ndarray,
    features: Mapping[str, Feature],
    sample_rate: int,
    known: MutableMapping[Any, Any],
) -> dict[str, float]:
    parts = {part: compute(part, waveform, features, sample_rate, 0, known) for part in features[name].of}
    return statistics(parts, features, sample_rate)


def _contours(feature: Feature, waveform: np.ndarray, sample_rate: int, known: MutableMapping[Any, Any]) -> np.ndarray:
    waveform = repeat_to(waveform, feature.frame).astype(np.float64)
    if feature.kind in SPECTRAL_KINDS:
        values = spectral(feature, waveform, sample_rate, known)
    elif feature.kind in ("f0", "voicing"):
        key = ("pitch", len(waveform), feature.frame, feature.hop, feature.fmin, feature.fmax)
        if key not in known:
            known[key] = pitch(waveform, sample_rate, feature.frame, feature.hop, feature.fmin, feature.fmax)
        values = known[key][0 if feature.kind == "f0" else 1][:, np.newaxis]
    elif feature.kind == "zcr":
        values = zero_crossing_rate(waveform, feature.frame, feature.hop)
    elif feature.kind == "formants":
        values = formants(waveform, sample_rate, feature.frame, feature.hop, feature.n_formants)
    else:
        return np.array([speech_rate(waveform, sample_rate, feature.frame, feature.hop)])
    assert len(values) == frame_count(len(waveform), feature.frame, feature.hop)
    return append_deltas(torch.from_numpy(values), feature.deltas).numpy() if feature.deltas else values

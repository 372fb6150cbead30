"""bundle.json: what an application must know about a model besides its graph."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from speech_emotion.export.graph import INPUT, OUTPUT
from speech_emotion.export.windows import frame_hop
from speech_emotion.systems.network import NetworkSystem


def describe(
    system: NetworkSystem,
    level_dbfs: float,
    least_samples: int,
    temperature: float,
    utterances: pd.DataFrame,
    sha256: Mapping[str, str],
) -> dict[str, Any]:
    """The content of bundle.json.

    Args:
        system: the trained system.
        level_dbfs: level that the recipe scales the peak or RMS of a waveform to, in dBFS.
        least_samples: a shorter waveform was repeated to this length before its features were computed.
        temperature: of an utterance's probabilities, as the select step fitted it on held-out speakers.
        utterances: the table that the system was trained on.
        sha256: file name -> hex sha256 of each file that an application reads beside the bundle.
    """
    definition = system.definition
    level = {"kind": definition.recipe.level}
    if definition.recipe.level != "none":
        level["dbfs"] = level_dbfs
    return {
        "system": definition.id,
        "title": definition.config.title,
        "paper": definition.config.paper,
        "labels": list(definition.labels),
        "input": INPUT,
        "output": OUTPUT,
        "sample_rate": definition.sample_rate,
        "channels": 1,
        "level": level,
        "window_samples": system.window_samples,
        "hop_samples": system.hop_samples,
        "frame_hop_samples": frame_hop(system),
        "least_samples": max(least_samples, system.window_samples),
        "aggregation": "mean of window probabilities",
        "temperature": temperature,
        "calibration": "softmax(log(mean of window probabilities) / temperature)",
        "last_window": "one more window ends with the last whole frame",
        "short_input": "repeat from its start until it has least_samples",
        "parameters": system.parameter_count(),
        "corpora": sorted(utterances["corpus"].unique()),
        "licences": sorted(utterances["licence"].unique()),
        "synthetic": bool(utterances["licence"].str.contains("synthetic").any()),
        "sha256": dict(sha256),
    }

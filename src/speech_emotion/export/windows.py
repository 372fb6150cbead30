"""The windows of prepared waveforms that a graph is calibrated on and checked with."""

from collections.abc import Sequence

import numpy as np

from speech_emotion.features.extraction import repeat_to
from speech_emotion.learning.windows import window_starts
from speech_emotion.store.arrays import ArrayStore
from speech_emotion.systems.network import NetworkSystem


def frame_hop(system: NetworkSystem) -> int:
    """Samples between the starts of neighbouring frames."""
    return system.hop_samples // system.params.hop_frames


def waveform_windows(system: NetworkSystem, waveform: np.ndarray, least_samples: int) -> list[np.ndarray]:
    """The windows of a prepared waveform, each (window_samples,): the same ones that training and protocol see.

    They start every `hop_samples`; one more ends with the last whole frame. A waveform of fewer samples than
    `least_samples`, or than one window, is repeated until it has so many.
    """
    waveform = repeat_to(np.asarray(waveform), max(system.window_samples, least_samples))
    step, length = frame_hop(system), system.params.window_frames
    frames = length + (len(waveform) - system.window_samples) // step
    starts = window_starts(frames, length, system.params.hop_frames)
    return [waveform[start * step : start * step + system.window_samples] for start in starts]


def spread(ids: Sequence[str], count: int) -> list[str]:
    """At most `count` of the ids, evenly spaced over their order, so that all speakers have a share."""
    if len(ids) <= count:
        return list(ids)
    return [ids[place * len(ids) // count] for place in range(count)]


def speech_windows(
    system: NetworkSystem, waveforms: ArrayStore, ids: Sequence[str], count: int, least_samples: int
) -> list[np.ndarray]:
    """At most `count` windows of real speech, one an utterance while utterances suffice.

    Utterances are spread evenly over `ids`; of the n-th one the window at position n of its own is taken, so
    that beginnings, middles and ends of utterances all occur.
    """
    found = []
    for turn, id in enumerate(spread(ids, count)):
        windows = waveform_windows(system, waveforms[id], least_samples)
        found.append(windows[turn % len(windows)])
    return found

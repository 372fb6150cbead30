"""Windows of prepared waveforms, for calibrating and checking graphs."""

from collections.abc import Sequence

import numpy as np

from speech_emotion.store.arrays import ArrayStore
from speech_emotion.systems.network import NetworkSystem
from speech_emotion_jetson.streaming import Cutter


def frame_hop(system: NetworkSystem) -> int:
    """Samples between the starts of neighbouring frames."""
    return system.hop_samples // system.params.hop_frames


def waveform_windows(system: NetworkSystem, waveform: np.ndarray, least_samples: int) -> list[np.ndarray]:
    """The windows of a prepared waveform, (window_samples,) each: the same as in training and evaluation.

    They start every `hop_samples`; the last one ends with the last whole frame.

    Args:
        system: defines window and hop.
        waveform: (n,).
        least_samples: a shorter waveform is repeated to this length, and to at least one window.
    """
    cutter = Cutter(system.window_samples, system.hop_samples, frame_hop(system), least_samples)
    return [window for _, window in (*cutter.push(np.asarray(waveform)), *cutter.finish())]


def spread(ids: Sequence[str], count: int) -> list[str]:
    """At most `count` of the ids, evenly spaced in their order, so that all speakers are represented."""
    if len(ids) <= count:
        return list(ids)
    return [ids[place * len(ids) // count] for place in range(count)]


def speech_windows(
    system: NetworkSystem, waveforms: ArrayStore, ids: Sequence[str], count: int, least_samples: int
) -> list[np.ndarray]:
    """At most `count` windows of speech, (window_samples,) each, one for each utterance.

    Utterances are spread evenly over `ids`; the n-th one contributes its n-th window (modulo their number), so that
    beginnings, middles and ends of utterances all occur.

    Args:
        system: defines window and hop.
        waveforms: store of prepared waveforms.
        ids: of the utterances, sorted by speaker.
        count: most windows to take.
        least_samples: as for `waveform_windows`.
    """
    found = []
    for turn, id in enumerate(spread(ids, count)):
        windows = waveform_windows(system, waveforms[id], least_samples)
        found.append(windows[turn % len(windows)])
    return found

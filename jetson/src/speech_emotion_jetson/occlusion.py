"""Where the model looked: each part of a window is muted in turn, and the drop of its emotion's probability recorded.

Zeiler and Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, section 4.2; here along time only.
"""

from __future__ import annotations

from typing import Callable, Iterable

import numpy as np

from speech_emotion_jetson.bundle import Interface
from speech_emotion_jetson.streaming import Cutter
from speech_emotion_jetson.temperature import tempered

PARTS = 10  # of a window, muted in turn
MOST_ASKED = 400  # runs of the model at most; of long recordings some windows are left out
FADE_SECONDS = 0.01  # so that muting does not click
MOST_CELLS = 1000  # of the map


def occlusion(
    blocks: Iterable[np.ndarray],
    bundle: Interface,
    ask: Callable[[np.ndarray], np.ndarray],
    windows: int,
    seconds: float,
) -> np.ndarray:
    """How much each moment of a recording contributes to the emotion of the windows that hold it.

    Args:
        blocks: the recording at the model's rate and level, as `Recogniser.prepared` gives it.
        bundle: describes the model.
        ask: window (window_samples,) -> probabilities (classes,); may raise to stop the work.
        windows: how many windows the recording has.
        seconds: length of the recording.

    Returns:
        (cells,) over the whole recording, -1 to 1: the probability that a window's emotion loses when the moment is
        muted, averaged over the windows that hold it; below 0 the moment speaks against the emotion; NaN in cells
        whose windows were left out.
    """
    part = bundle.window_samples // PARTS
    cells = int(min(MOST_CELLS, max(1, np.ceil(seconds * bundle.sample_rate / part))))
    total, count = np.zeros(cells), np.zeros(cells)
    # One run for the window as it is, and PARTS runs with a part muted.
    every = -(-windows * (PARTS + 1) // MOST_ASKED)
    cutter = Cutter(bundle.window_samples, bundle.hop_samples, bundle.frame_hop_samples, bundle.least_samples)

    def look(start: int, window: np.ndarray) -> None:
        said = tempered(ask(window), bundle.temperature)
        place = int(said.argmax())
        for turn in range(PARTS):
            first, last = turn * part, (turn + 1) * part if turn < PARTS - 1 else bundle.window_samples
            left = tempered(ask(muted(window, first, last, bundle.sample_rate)), bundle.temperature)
            scale = cells / (seconds * bundle.sample_rate)
            low = int((start + first) * scale)
            high = max(low + 1, int(np.ceil((start + last) * scale)))
            total[low:high] += said[place] - left[place]
            count[low:high] += 1

    seen = 0
    for block in blocks:
        for start, window in cutter.push(block):
            if seen % every == 0:
                look(start, window)
            seen += 1
    for start, window in cutter.finish():
        if seen % every == 0:
            look(start, window)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def muted(window: np.ndarray, first: int, last: int, rate: int) -> np.ndarray:
    """A copy of a window (n,) with the samples from `first` to `last` faded to silence."""
    fade = max(1, round(FADE_SECONDS * rate))
    ramp = (np.arange(1, fade + 1) / (fade + 1)).astype(np.float32)
    gain = np.ones(len(window), np.float32)
    gain[first:last] = 0
    before, after = gain[max(0, first - fade) : first], gain[last : last + fade]
    before *= ramp[::-1][fade - len(before) :] if len(before) else 1
    after *= ramp[: len(after)]
    return window * gain

"""Where the model looked: parts of each window are muted in turn, and what its emotion loses is noted.

Zeiler and Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, section 4.2, over time alone.
"""

from __future__ import annotations

from typing import Callable, Iterable

import numpy as np

from speech_emotion_jetson.bundle import Interface
from speech_emotion_jetson.streaming import Cutter
from speech_emotion_jetson.temperature import tempered

PARTS = 10  # of a window that are muted in turn
MOST_ASKED = 400  # windows asked about at most: of long recordings some windows are left out
FADE_SECONDS = 0.01  # so that muting makes no click
MOST_CELLS = 1000  # of the map


def occlusion(
    blocks: Iterable[np.ndarray],
    bundle: Interface,
    ask: Callable[[np.ndarray], np.ndarray],
    windows: int,
    seconds: float,
) -> np.ndarray:
    """How much each moment spoke for the emotion that is heard there.

    Args:
        blocks: the recording at the model's rate and level, as `Recogniser.prepared` gives it.
        bundle: what the model expects.
        ask: window (window samples,) -> probabilities (classes,); what it raises ends the work.
        windows: how many the recording has.
        seconds: length of the recording.

    Returns:
        (cells,) over the whole recording, -1 to 1: probability that the emotion of a window loses where the moment is
        muted, mean over the windows that hold it; below 0 it spoke for others; NaN where no window was asked.
    """
    part = bundle.window_samples // PARTS
    cells = int(min(MOST_CELLS, max(1, np.ceil(seconds * bundle.sample_rate / part))))
    total, count = np.zeros(cells), np.zeros(cells)
    # One answer is for the window as it is, PARTS are for the muted ones.
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

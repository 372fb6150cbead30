"""Everything that the page shows of a recording, as plain values."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Any, Callable, Iterator

import numpy as np

from speech_emotion_jetson.occlusion import occlusion
from speech_emotion_jetson.picture import Picture
from speech_emotion_jetson.reading import Source
from speech_emotion_jetson.recogniser import BLOCK_SECONDS, Prediction, Recogniser

MOST_WINDOWS = 600  # sent to the page; of longer recordings every n-th window
DIGITS = 5


def analyse(
    recogniser: Recogniser, path: Path, max_seconds: float, wanted: Callable[[], None], brief: bool = False
) -> Iterator[dict[str, Any]]:
    """Analyses a recording for the page.

    Args:
        recogniser: a loaded model.
        path: of the recording.
        max_seconds: longer recordings are refused.
        wanted: is called from time to time, and raises if the client no longer waits for the answer.
        brief: only the emotion, its probabilities and the out-of-distribution score, for live speech.

    Yields:
        The answer; then, unless `brief`, where the model looked, which takes longer.

    Raises:
        UserError: the file cannot be used; raised before anything is yielded.
    """
    source = Source(path, max_seconds)
    picture = Picture(recogniser.bundle.sample_rate)
    drawing = 0.0

    def draw(block: np.ndarray) -> None:
        nonlocal drawing
        wanted()
        if not brief:
            begun = perf_counter()
            picture.push(block)
            drawing += 1000 * (perf_counter() - begun)

    said = recogniser.predict_source(source, on_block=draw)
    spent = {"answer": said.milliseconds["total"] - drawing, "model": said.milliseconds["model"]}
    answer = {
        "emotion": said.emotion,
        "probabilities": {label: round(value, DIGITS) for label, value in said.probabilities.items()},
        "out_of_distribution": said.out_of_distribution,
        "ood_score": None if said.ood_score is None else round(said.ood_score, 3),
        "seconds": round(said.seconds, 4),
        "windows_asked": len(said.windows),
        "milliseconds": {name: round(value, 2) for name, value in spent.items()},
    }
    if brief:
        yield answer
        return
    answer["windows"] = _windows(said)
    answer["timeline"] = [
        {
            "start": round(one.start, 3),
            "end": round(one.end, 3),
            "emotion": one.emotion,
            "probability": round(one.probability, DIGITS),
        }
        for one in said.timeline
    ]
    answer["picture"] = picture.finish()
    yield answer
    begun = perf_counter()
    focus = _focus(recogniser, source, said, wanted)
    yield {"focus": focus, "milliseconds": {"focus": round(1000 * (perf_counter() - begun), 2)}}


def _windows(said: Prediction) -> list[dict[str, Any]]:
    every = -(-len(said.windows) // MOST_WINDOWS)
    return [
        {
            "start": round(one.start, 3),
            "end": round(one.end, 3),
            "probabilities": [round(value, DIGITS) for value in one.probabilities.values()],
            "smoothed": [round(value, DIGITS) for value in one.smoothed.values()],
        }
        for one in said.windows[::every]
    ]


def _focus(recogniser: Recogniser, source: Source, said: Prediction, wanted: Callable[[], None]) -> list[float | None]:
    """The occlusion map of the whole recording; None in cells whose windows were left out."""

    def ask(window: np.ndarray) -> np.ndarray:
        wanted()
        return recogniser.backend.ask(window)

    cells = occlusion(
        recogniser.prepared(lambda: source.blocks(BLOCK_SECONDS), source.rate),
        recogniser.bundle,
        ask,
        len(said.windows),
        said.seconds,
    )
    return [None if np.isnan(value) else round(float(value), DIGITS) for value in cells]

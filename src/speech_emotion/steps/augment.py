"""augment: changed copies of the waveforms, made once, as many as the systems of the budget ask for."""

import json
from functools import partial

import numpy as np

from speech_emotion.audio.augmentation import augment
from speech_emotion.parallel import ordered_map
from speech_emotion.params import Augment
from speech_emotion.recorder import Recorder
from speech_emotion.steps.step import Folders, Step, StepParams
from speech_emotion.store.arrays import ArrayStore, ArrayWriter
from speech_emotion.store.atomic import write_text


def run(inputs: Folders, params: StepParams, outputs: Folders, recorder: Recorder) -> None:
    """Writes `<recipe>/shard-*.arrow` of copies `<id>#1` .. `<id>#n` and `copies.json`, n by recipe.

    A recipe has as many copies as the system that wants most of it; one that nobody wants copies of has no folder.
    """
    counts: dict[str, int] = {}
    for system in params.candidates:
        needs = params.needs[system]
        counts[needs.recipe] = max(needs.copies, counts.get(needs.recipe, 0))
    for recipe, count in sorted(counts.items()):
        if not count:
            continue
        work = partial(_copies, params.augment, params.preprocess.sample_rate, count)
        store = ArrayStore(inputs["waveforms"] / recipe)
        results = ordered_map(work, store, params.workers, recorder, f"augment {recipe}")
        with ArrayWriter(outputs["copies"] / recipe) as writer:
            for source, copies in results:
                for number, copy in enumerate(copies, start=1):
                    writer.add(f"{source}#{number}", copy, source)
    write_text(outputs["copies"] / "copies.json", json.dumps(counts, indent=1, sort_keys=True) + "\n")


def _copies(params: Augment, rate: int, count: int, item: tuple[str, np.ndarray]) -> tuple[str, list[np.ndarray]]:
    id, waveform = item
    return id, [augment(waveform, rate, id, number, params) for number in range(1, count + 1)]


STEP = Step(
    name="augment",
    run=run,
    inputs={"waveforms": "artifacts/preprocess"},
    outputs={"copies": "artifacts/augment"},
    sections=("corpus", "augment", "preprocess.sample_rate", "needs", "candidates"),
)

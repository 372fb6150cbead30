"""Step augment: augmented copies of the waveforms, as many as the candidates need."""

import json
from functools import partial

import numpy as np

from speech_emotion.audio.augmentation import augment
from speech_emotion.parallel import ordered_map
from speech_emotion.params import Augment
from speech_emotion.recorder import Recorder
from speech_emotion.steps.step import Folders, Step, StepParams
from speech_emotion.steps.wanted import wanted_recipes
from speech_emotion.store.arrays import ArrayStore, ArrayWriter
from speech_emotion.store.atomic import write_text


def run(inputs: Folders, params: StepParams, outputs: Folders, recorder: Recorder) -> None:
    """Writes copies `<id>#1` .. `<id>#n` to `<recipe>/shard-*.arrow`; for all recipes also `copies.json` (n by recipe).

    A recipe gets as many copies as the system that needs most; a recipe without copies has no folder.
    """
    counts = wanted_recipes(params)
    if params.each is None:  # object stores do not keep empty folders
        write_text(outputs["copies"] / "copies.json", json.dumps(counts, indent=1) + "\n")
    else:
        counts = {params.each: counts[params.each]}
    for recipe, count in counts.items():
        if not count:
            continue
        work = partial(_copies, params.augment, params.preprocess.sample_rate, count)
        store = ArrayStore(inputs["waveforms"] / recipe)
        results = ordered_map(work, store, params.workers, recorder, f"augment {recipe}")
        with ArrayWriter(outputs["copies"] / recipe) as writer:
            for source, copies in results:
                for number, copy in enumerate(copies, start=1):
                    writer.add(f"{source}#{number}", copy, source)


def _copies(params: Augment, rate: int, count: int, item: tuple[str, np.ndarray]) -> tuple[str, list[np.ndarray]]:
    id, waveform = item
    return id, [augment(waveform, rate, id, number, params) for number in range(1, count + 1)]


STEP = Step(
    name="augment",
    run=run,
    inputs={"waveforms": "artifacts/preprocess"},
    outputs={"copies": "artifacts/augment"},
    sections=("corpus", "augment", "preprocess.sample_rate", "needs", "candidates"),
    each="preprocess.recipes",
    dvc_inputs=("artifacts/preprocess/{each}",),
    wanted="artifacts/wanted/recipes/copies/{each}.json",
)

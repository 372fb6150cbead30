"""Step features: every feature that a candidate needs, from its recipe's waveforms and their copies."""

import json
from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np

from speech_emotion.parallel import ordered_map
from speech_emotion.params import Feature
from speech_emotion.recorder import Recorder
from speech_emotion.steps.step import Folders, Step, StepParams
from speech_emotion.steps.wanted import Variant, wanted_features
from speech_emotion.store.arrays import ArrayStore, ArrayWriter
from speech_emotion.store.atomic import write_text

Wanted = tuple[str, Variant]


def run(inputs: Folders, params: StepParams, outputs: Folders, recorder: Recorder) -> None:
    """Writes `<feature>/<variant>/shard-*.arrow`, including copies, and `names.json` for statistics.

    A variant is named after the recipe and, if short waveforms are repeated, their minimum length in samples. Shapes
    are (frames, dims), or (dims,) for statistics and speech rate; all float32.
    """
    from speech_emotion.features.extraction import (
        statistic_names,
    )  # imported here so that an instance without work starts fast

    wanted = [
        (name, variant)
        for name, variants in wanted_features(params).items()
        if params.each in (None, name)
        for variant in variants
    ]
    folders = {one: outputs["features"] / one[0] / one[1].folder for one in wanted}
    for recipe in sorted({variant.recipe for _, variant in wanted}):
        of_recipe = [one for one in wanted if one[1].recipe == recipe]
        writers = {one: ArrayWriter(folders[one]) for one in of_recipe}
        title = f"features {params.each or recipe}"
        try:
            _fill(writers, ArrayStore(inputs["waveforms"] / recipe), params, recorder, title)
            if copied := {one: writer for one, writer in writers.items() if one[1].copies}:
                _fill(copied, ArrayStore(inputs["copies"] / recipe), params, recorder, f"{title}, copies")
        finally:
            for writer in writers.values():
                writer.close()
    for name, variant in wanted:
        if params.features[name].kind == "statistics":
            names = statistic_names(name, params.features, params.preprocess.sample_rate)
            write_text(folders[name, variant] / "names.json", json.dumps(names, indent=0) + "\n")


def _fill(
    writers: Mapping[Wanted, ArrayWriter], store: ArrayStore, params: StepParams, recorder: Recorder, title: str
) -> None:
    items: Iterator = ((id, _number(id, store.source(id)), waveform) for id, waveform in store)
    work = partial(_arrays, list(writers), params.features, params.preprocess.sample_rate)
    for id, arrays in ordered_map(work, items, params.workers, recorder, title, len(store)):
        for one, array in arrays.items():
            writers[one].add(id, array, store.source(id))


def _number(id: str, source: str) -> int:
    """The number n of a copy `<source>#n`; 0 for the utterance itself."""
    return 0 if id == source else int(id.removeprefix(f"{source}#"))


def _arrays(
    wanted: list[Wanted], features: dict[str, Feature], rate: int, item: tuple[str, int, np.ndarray]
) -> tuple[str, dict[Wanted, np.ndarray]]:
    from speech_emotion.features.extraction import compute

    id, number, waveform = item
    known: dict = {}
    return id, {
        (name, variant): compute(name, waveform, features, rate, variant.min_samples, known)
        for name, variant in wanted
        if number <= variant.copies
    }


STEP = Step(
    name="features",
    run=run,
    inputs={"waveforms": "artifacts/preprocess", "copies": "artifacts/augment"},
    outputs={"features": "artifacts/features"},
    sections=("corpus", "features", "preprocess.sample_rate", "needs", "candidates"),
    each="features",
    dvc_inputs=(),
    wanted="artifacts/wanted/features/{each}.json",
)

"""features: every feature that a system of the budget asks for, of its recipe's waveforms and of their copies."""

import json
from dataclasses import dataclass
from functools import partial

import numpy as np

from speech_emotion.features.extraction import compute, statistic_names
from speech_emotion.parallel import ordered_map
from speech_emotion.params import Feature
from speech_emotion.recorder import Recorder
from speech_emotion.steps.step import Folders, Step, StepParams
from speech_emotion.store.arrays import ArrayStore, ArrayWriter
from speech_emotion.store.atomic import write_text


@dataclass(frozen=True)
class Wanted:
    """One feature of one recipe: of waveforms of at least so many samples, and of so many copies."""

    feature: str
    min_samples: int
    copies: int


def run(inputs: Folders, params: StepParams, outputs: Folders, recorder: Recorder) -> None:
    """Writes `<recipe>/<feature>/shard-*.arrow`, copies included, and `names.json` beside statistics.

    Shapes are (frames, dims), or (dims,) for statistics and speech rate; all float32.
    """
    rate = params.preprocess.sample_rate
    for recipe, wanted in wanted_features(params).items():
        writers = {one.feature: ArrayWriter(outputs["features"] / recipe / one.feature) for one in wanted}
        try:
            _fill(writers, wanted, ArrayStore(inputs["waveforms"] / recipe), params, recorder, f"features {recipe}")
            if copied := [one for one in wanted if one.copies]:
                store = ArrayStore(inputs["copies"] / recipe)
                _fill(writers, copied, store, params, recorder, f"features {recipe}, copies")
        finally:
            for writer in writers.values():
                writer.close()
        for one in wanted:
            if params.features[one.feature].kind == "statistics":
                names = statistic_names(one.feature, params.features, rate)
                text = json.dumps(names, indent=0) + "\n"
                write_text(outputs["features"] / recipe / one.feature / "names.json", text)


def wanted_features(params: StepParams) -> dict[str, list[Wanted]]:
    """Recipe -> what the systems of the budget want of it, in the order of names."""
    found: dict[str, dict[str, Wanted]] = {}
    for system in params.candidates:
        needs = params.needs[system]
        samples = round(needs.min_seconds * params.preprocess.sample_rate)
        for name in needs.features:
            other = found.setdefault(needs.recipe, {}).get(name)
            copies = max(needs.copies, other.copies if other else 0)
            found[needs.recipe][name] = Wanted(name, samples, copies)
    return {recipe: [of[name] for name in sorted(of)] for recipe, of in sorted(found.items())}


def _fill(
    writers: dict[str, ArrayWriter],
    wanted: list[Wanted],
    store: ArrayStore,
    params: StepParams,
    recorder: Recorder,
    title: str,
) -> None:
    items = ((id, _number(id, store.source(id)), waveform) for id, waveform in store)
    work = partial(_arrays, wanted, params.features, params.preprocess.sample_rate)
    for id, arrays in ordered_map(work, items, params.workers, recorder, title, len(store)):
        for feature, array in arrays.items():
            writers[feature].add(id, array, store.source(id))


def _number(id: str, source: str) -> int:
    """n of the copy `<source>#n`; 0 for the utterance itself."""
    return 0 if id == source else int(id.removeprefix(f"{source}#"))


def _arrays(
    wanted: list[Wanted], features: dict[str, Feature], rate: int, item: tuple[str, int, np.ndarray]
) -> tuple[str, dict[str, np.ndarray]]:
    id, number, waveform = item
    known: dict = {}
    return id, {
        one.feature: compute(one.feature, waveform, features, rate, one.min_samples, known)
        for one in wanted
        if number <= one.copies
    }


STEP = Step(
    name="features",
    run=run,
    inputs={"waveforms": "artifacts/preprocess", "copies": "artifacts/augment"},
    outputs={"features": "artifacts/features"},
    sections=("corpus", "features", "preprocess.sample_rate", "needs", "candidates"),
)

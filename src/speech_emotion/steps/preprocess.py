"""Step preprocess: utterances of the corpus as waveforms, once for each recipe that a candidate needs."""

import functools
import os
from pathlib import Path

import numpy as np

from speech_emotion.audio.preparation import prepare
from speech_emotion.audio.reading import read_audio
from speech_emotion.corpora.table import count_utterances, iterate_utterances
from speech_emotion.errors import UserError
from speech_emotion.parallel import ordered_map
from speech_emotion.params import Preprocess
from speech_emotion.recorder import Recorder
from speech_emotion.steps.step import Folders, Step, StepParams
from speech_emotion.steps.wanted import TABLE, wanted_recipes
from speech_emotion.store.arrays import ArrayWriter
from speech_emotion.store.hashing import sha256_file


def run(inputs: Folders, params: StepParams, outputs: Folders, recorder: Recorder) -> None:
    """Writes `<recipe>/shard-*.arrow` of (n,) float32 waveforms at preprocess.sample_rate, in the order of the table.

    Raises:
        UserError: a file of the table cannot be read, or has changed since ingest.
    """
    table = inputs["utterances"] / "utterances.parquet"
    places = params.part.range(count_utterances(table))
    rows = iterate_utterances(table, ("id", "path", "start", "end", "sha256"), places)
    recipes = [recipe for recipe in wanted_recipes(params) if params.each in (None, recipe)]
    if not recipes:
        return
    work = functools.partial(_waveforms, inputs["data"], recipes, params.preprocess)
    writers = {recipe: ArrayWriter(outputs["waveforms"] / recipe) for recipe in recipes}
    try:
        for id, waveforms in ordered_map(work, rows, params.workers, recorder, "preprocess", len(places)):
            for recipe, waveform in zip(recipes, waveforms, strict=True):
                writers[recipe].add(id, waveform)
    finally:
        for writer in writers.values():
            writer.close()


def _waveforms(
    data: Path, recipes: list[str], params: Preprocess, row: tuple[str, str, float, float, str]
) -> tuple[str, list[np.ndarray]]:
    id, path, start, end, sha256 = row
    try:
        audio = read_audio(data / path, start, end)
        if _hash(data / path, os.stat(data / path).st_mtime_ns) != sha256:
            raise UserError(f"{data / path}: has changed")
        return id, [prepare(audio.samples, audio.rate, params.recipes[recipe], params) for recipe in recipes]
    except UserError as error:
        raise UserError(f"{error}: was valid at ingest: run dvc repro, which checks it again") from None


@functools.lru_cache(maxsize=8)
def _hash(path: Path, _modified: int) -> str:
    """Hashes each file once, even if it contains many consecutive utterances."""
    return sha256_file(path)


STEP = Step(
    name="preprocess",
    run=run,
    inputs={"data": "data/{corpus}", "utterances": "artifacts/ingest"},
    outputs={"waveforms": "artifacts/preprocess"},
    sections=("corpus", "preprocess", "needs", "candidates"),
    sharded=True,
    each="preprocess.recipes",
    dvc_inputs=("data/{corpus}", TABLE.as_posix()),
    wanted="artifacts/wanted/recipes/waveforms/{each}.json",
)

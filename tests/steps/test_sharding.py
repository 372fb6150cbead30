"""Preprocess, augment and features in parts, joined, give the same arrays as for all utterances at once."""

import json
from pathlib import Path

import numpy as np
import pytest

from speech_emotion.corpora import synthesis
from speech_emotion.params import load_params
from speech_emotion.recorder import Recorder
from speech_emotion.steps.driver import execute, load_step
from speech_emotion.store import arrays
from speech_emotion.store.arrays import ArrayStore
from speech_emotion.store.parts import join

QUIET = Recorder(quiet=True)
UTTERANCES = 9
PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
STEPS = ("preprocess", "augment", "features")


def params(recipe="plain"):
    """Two systems with different recipes, one with copies and one with statistics."""
    needs = PARAMS.needs | {
        "k2": PARAMS.needs["k2"].model_copy(update={"copies": 2}),
        "t2": PARAMS.needs["t2"].model_copy(update={"recipe": recipe}),
    }
    return PARAMS.model_copy(update={"corpus": "demo", "candidates": ["k2", "t2"], "needs": needs, "workers": 1})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a few synthetic utterances, their table, and the outputs of the three steps for all of them."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        few = synthesis.script()[:: 224 // UTTERANCES][:UTTERANCES]
        patch.setattr(synthesis, "script", lambda: few)
        patch.setattr(arrays, "BATCH_BYTES", 100_000)
        patch.setattr(arrays, "SHARD_BYTES", 300_000)
        synthesis.synthesise(folder / "data", 1, QUIET)
        run("ingest", {"data": folder / "data"}, {"utterances": folder / "ingest"})
        chain(folder, folder / "whole", (1, 1))
    return folder


def run(name, inputs, outputs, part=(1, 1)):
    execute(load_step(name), params("clean"), None, inputs, outputs, QUIET, None, part)


def chain(made, folder, part):
    """The three steps on one part; only the first one gets the part."""
    preprocessed, augmented = folder / "preprocess", folder / "augment"
    run("preprocess", {"data": made / "data", "utterances": made / "ingest"}, {"waveforms": preprocessed}, part)
    run("augment", {"waveforms": preprocessed}, {"copies": augmented})
    run("features", {"waveforms": preprocessed, "copies": augmented}, {"features": folder / "features"})


def stores(folder):
    """Folders of arrays below a step's output."""
    return sorted({path.parent.relative_to(folder) for path in folder.rglob("shard-*.arrow")})


@pytest.mark.parametrize("count", [1, 3, 7, 12])
def test_joined_parts_equal_the_outputs_for_everything(made, tmp_path, count):
    for number in range(1, count + 1):
        chain(made, tmp_path / str(number), (number, count))
    for name in STEPS:
        joined, whole = tmp_path / "joined" / name, made / "whole" / name
        join([tmp_path / str(number) / name for number in range(1, count + 1)], joined)
        assert stores(joined) == stores(whole) != []
        for store in stores(whole):
            same_arrays(ArrayStore(joined / store), ArrayStore(whole / store))
        small = [path.relative_to(whole) for path in whole.rglob("*.json")]
        assert {(joined / path).read_text() == (whole / path).read_text() for path in small} <= {True}
    assert len(ArrayStore(made / "whole/preprocess/plain").ids) == UTTERANCES


def same_arrays(one, other):
    assert one.ids == other.ids
    for id in one.ids:
        assert one[id].shape == other[id].shape
        np.testing.assert_array_equal(one[id], other[id])
        assert one.source(id) == other.source(id)
        assert one.copies(id) == other.copies(id)


def test_features_are_ordered_by_utterances_then_copies(made):
    ids = ArrayStore(made / "whole/preprocess/plain").ids
    copies = [f"{id}#{number}" for id in ids for number in (1, 2)]
    assert ArrayStore(made / "whole/features/mspec-40-dd/plain-4240").ids == [*ids, *copies]
    assert json.loads((made / "whole/augment/copies.json").read_text()) == {"clean": 0, "plain": 2}


def test_a_part_has_only_its_range(made, tmp_path):
    chain(made, tmp_path, (2, 3))
    ids = ArrayStore(made / "whole/preprocess/plain").ids[3:6]
    assert ArrayStore(tmp_path / "preprocess/plain").ids == ids
    assert ArrayStore(tmp_path / "features/statistics/clean").ids == ids


def test_a_part_without_utterances_has_its_folders(made, tmp_path):
    chain(made, tmp_path, (1, 12))
    for name in STEPS:
        assert stores(tmp_path / name) == stores(made / "whole" / name)
        assert {len(ArrayStore(tmp_path / name / store)) for store in stores(tmp_path / name)} == {0}

"""Step preprocess: from the files of the table to waveforms for each recipe."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speech_emotion.corpora.table import Utterance, write_utterances
from speech_emotion.errors import UserError
from speech_emotion.params import Params, load_params
from speech_emotion.recorder import Recorder
from speech_emotion.steps.preprocess import STEP
from speech_emotion.steps.step import StepParams
from speech_emotion.store.arrays import ArrayStore
from speech_emotion.store.hashing import sha256_file

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")


def tone(rate, seconds, hertz=300.0):
    return 0.3 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)


def utterance(path, rate, channels, start=0.0, end=0.5):
    name = f"made/{Path(path).stem}-{start:g}"
    length = end - start
    return Utterance(
        name,
        "made",
        path,
        "s1",
        None,
        "anger",
        None,
        None,
        None,
        start,
        end,
        length,
        rate,
        channels,
        "0" * 64,
        "CC0-1.0",
    )


@pytest.fixture
def made(tmp_path):
    """A folder of three files: 16 kHz, 48 kHz stereo, and one with two utterances."""
    data, table = tmp_path / "data", tmp_path / "ingest"
    data.mkdir()
    soundfile.write(data / "a.wav", tone(16000, 0.5), 16000)
    soundfile.write(data / "b.wav", np.stack([tone(48000, 0.5)] * 2, axis=1), 48000, subtype="PCM_24")
    soundfile.write(data / "c.flac", np.concatenate([tone(16000, 0.25), tone(16000, 0.25, 700.0)]), 16000)
    rows = [
        utterance("a.wav", 16000, 1),
        utterance("b.wav", 48000, 2),
        utterance("c.flac", 16000, 1, 0.0, 0.25),
        utterance("c.flac", 16000, 1, 0.25, 0.5),
    ]
    rows = [replace(row, sha256=sha256_file(data / row.path)) for row in rows]
    write_utterances(table / "utterances.parquet", rows)
    return {"data": data, "utterances": table}


def with_needs(**changes) -> Params:
    """params.yaml with other recipes: system -> recipe."""
    needs = {
        system: needs.model_copy(update={"recipe": changes.get(system, needs.recipe)})
        for system, needs in PARAMS.needs.items()
    }
    return PARAMS.model_copy(update={"needs": needs, "workers": 1})


def run(inputs, folder, params) -> Path:
    folder.mkdir()
    STEP.run(inputs, StepParams(params, STEP.sections), {"waveforms": folder}, Recorder(quiet=True))
    return folder


def test_every_utterance_becomes_a_waveform_at_the_rate_of_params(made, tmp_path):
    store = ArrayStore(run(made, tmp_path / "out", with_needs()) / "plain")
    assert store.ids == ["made/a-0", "made/b-0", "made/c-0", "made/c-0.25"]
    assert [len(waveform) for _, waveform in store] == [8000, 8000, 4000, 4000]
    np.testing.assert_allclose(store["made/b-0"][500:-500], tone(16000, 0.5)[500:-500], atol=2e-3)
    np.testing.assert_allclose(store["made/c-0.25"], tone(16000, 0.25, 700.0), atol=1e-3)


def test_only_the_recipes_of_candidates_are_used(made, tmp_path):
    folder = run(made, tmp_path / "out", with_needs(t2="clean"))
    assert sorted(path.name for path in folder.iterdir()) == ["clean", "plain"]
    without = with_needs(t2="clean").model_copy(update={"candidates": ["w1", "k2"]})
    folder = run(made, tmp_path / "other", without)
    assert sorted(path.name for path in folder.iterdir()) == ["plain"]


def test_bytes_do_not_depend_on_the_number_of_workers(made, tmp_path):
    params = with_needs(t2="wavelet")

    def sums(workers):
        folder = run(made, tmp_path / f"out{workers}", params.model_copy(update={"workers": workers}))
        return {
            path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.arrow")
        }

    assert sums(1) == sums(2)


def test_a_missing_file_is_an_error_with_the_cure(made, tmp_path):
    (made["data"] / "b.wav").unlink()
    with pytest.raises(UserError, match=r"b\.wav: missing.*dvc repro"):
        run(made, tmp_path / "out", with_needs())


def test_a_file_that_was_cut_since_ingest_is_an_error(made, tmp_path):
    soundfile.write(made["data"] / "a.wav", tone(16000, 0.1), 16000)
    with pytest.raises(UserError, match=r"a\.wav: interval"):
        run(made, tmp_path / "out", with_needs())


def test_a_file_that_has_changed_since_ingest_is_an_error(made, tmp_path):
    soundfile.write(made["data"] / "c.flac", tone(16000, 0.5, 500.0), 16000)
    with pytest.raises(UserError, match=r"c\.flac: has changed: was valid at ingest: run dvc repro"):
        run(made, tmp_path / "out", with_needs())


def test_a_missing_table_is_an_error(made, tmp_path):
    (made["utterances"] / "utterances.parquet").unlink()
    with pytest.raises(UserError, match="run the ingest step"):
        run(made, tmp_path / "out", with_needs())

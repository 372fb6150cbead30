"""Which versions are due for release, and which are refused."""

import json

import onnx
import pytest
from onnx import TensorProto, helper

from speech_emotion.errors import UserError
from speech_emotion.params import Registry, Track
from speech_emotion.store.hashing import sha256_file
from speech_emotion.tracking.connection import open_store
from speech_emotion.tracking.models import log_model, models_of
from speech_emotion.tracking.release import DIGEST, Release, check_export, digest_of, due, fetch, record
from speech_emotion.tracking.versions import read_state
from told import Told

NAME, EXPERIMENT = "speech-emotion", "speech-emotion"
REGISTRY = Registry(name=NAME, min_gain_points=1.0, alpha=0.05, lease_seconds=60)


@pytest.fixture
def track(new_database):
    return Track(uri=new_database(), experiment=EXPERIMENT, live=False, sample_seconds=10)


@pytest.fixture
def crown(track, tmp_path, write_model):
    """Registers an export, made from a seed, as the next version and makes it champion."""

    def made(seed: int = 0, damage=lambda folder: None) -> int:
        folder = tmp_path / f"export-{seed}"
        folder.mkdir()
        write_model(folder, seed)
        damage(folder)
        with open_store(track.uri, track.experiment) as store:
            run = store.client.create_run(store.experiment).info.run_id
            log_model(store, run, folder / "fp32.onnx", {"corpus": "emodb"})
            (model,) = models_of(store, run)
            if not read_state(store, NAME).versions:
                store.client.create_registered_model(NAME)
            made = store.client.create_model_version(NAME, f"models:/{model.model_id}", run, model_id=model.model_id)
            store.client.set_registered_model_alias(NAME, "champion", made.version)
        return int(made.version)

    return made


def _due(track):
    return due(track, REGISTRY, Told())


def _state(track):
    with open_store(track.uri, track.experiment) as store:
        return read_state(store, NAME)


def test_a_champion_is_due_until_it_is_recorded_and_its_successor_is_due_again(track, crown, tmp_path):
    assert crown(0) == 1
    release = _due(track)
    assert release.version == 1 and _due(track) == release
    facts = fetch(release, track, REGISTRY, tmp_path / "bundle")
    assert digest_of(tmp_path / "bundle") == release.digest
    assert {path.name for path in (tmp_path / "bundle").iterdir()} >= {"fp32.onnx", "bundle.json", "MODEL_CARD.md"}
    assert facts["agreement"] == 1.0 and facts["fp32"]["nodes"] == 2
    for before in (None, release):
        assert record(release, track, REGISTRY, Told()) == before
        assert _due(track) is None
    assert _state(track).version(1).aliases == ("champion", "released")
    assert crown(1) == 2
    assert _due(track).version == 2 and _due(track).digest != release.digest
    assert record(_due(track), track, REGISTRY, Told()) == release
    assert _state(track).version(2).aliases == ("champion", "released") and _due(track) is None


def test_a_champion_that_was_rolled_back_is_due_again(track, crown):
    crown(0)
    first = _due(track)
    record(first, track, REGISTRY, Told())
    crown(1)
    record(_due(track), track, REGISTRY, Told())
    with open_store(track.uri, track.experiment) as store:
        store.client.set_registered_model_alias(NAME, "champion", "1")
    assert _due(track) == first


def test_other_files_under_the_same_version_are_due_again(track, crown):
    crown(0)
    record(_due(track), track, REGISTRY, Told())
    with open_store(track.uri, track.experiment) as store:
        store.client.set_model_version_tag(NAME, "1", DIGEST, "of other files")
    assert _due(track).version == 1


def test_files_that_changed_since_the_gate_are_not_released(track, crown, tmp_path):
    crown(0)
    with pytest.raises(UserError, match="the gate saw 0000: run the pipeline again"):
        fetch(Release(1, "0000"), track, REGISTRY, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_without_a_champion_the_cure_is_named(track):
    with pytest.raises(UserError, match=r"registry\.name = speech-emotion: has no champion: run pipeline train"):
        _due(track)


def test_a_version_that_is_gone_cannot_be_recorded(track, crown):
    crown(0)
    with pytest.raises(UserError, match="version 7: is gone from the registry"):
        record(Release(7, "00"), track, REGISTRY, Told())


def test_a_faulty_export_is_not_released(track, crown, tmp_path):
    crown(0, damage=lambda folder: (folder / "int8.onnx").write_bytes(b"x"))
    with pytest.raises(UserError, match=r"is not the file that bundle\.json describes"):
        fetch(_due(track), track, REGISTRY, tmp_path / "bundle")


@pytest.mark.parametrize("text", ["", "3", "3:", "x:00"])
def test_a_release_is_a_version_and_a_digest(text):
    with pytest.raises(UserError, match="must be VERSION:DIGEST"):
        Release.parse(text)
    assert Release.parse(str(Release(3, "00"))) == Release(3, "00")


def _update_checksums(folder):
    bundle = json.loads((folder / "bundle.json").read_text())
    bundle["sha256"] = {name: sha256_file(folder / name) for name in bundle["sha256"]}
    (folder / "bundle.json").write_text(json.dumps(bundle))


def _graph(folder, node, opset=13):
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size])
        for name, size in (("waveform", 16), ("probabilities", 16))
    ]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, folder / "int8.onnx")
    _update_checksums(folder)


def _garbage(folder):
    (folder / "int8.onnx").write_bytes(b"no graph")
    _update_checksums(folder)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "out_of_distribution.json").unlink(), r"out_of_distribution\.json: is not there"),
        (lambda folder: (folder / "MODEL_CARD.md").unlink(), r"MODEL_CARD\.md: is not there: run the export step"),
        (_garbage, r"int8\.onnx: is no valid ONNX graph"),
        (
            lambda folder: _graph(folder, helper.make_node("Mish", ["waveform"], ["probabilities"]), 18),
            "opset = 18: must be at most 17",
        ),
        (
            lambda folder: _graph(folder, helper.make_node("Relu", ["waveform"], ["probabilities"])),
            r"int8\.onnx: its outputs are not probabilities of 4 emotions",
        ),
    ],
)
def test_every_fault_of_an_export_is_named(tmp_path, write_model, damage, message):
    write_model(tmp_path, 0)
    assert check_export(tmp_path)["system"] == "k2"
    damage(tmp_path)
    with pytest.raises(UserError, match=message):
        check_export(tmp_path)

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
import torch

from made_up_results import predictions, write_system
from made_up_systems import make_system
from speech_emotion.corpora.protocols import load_protocol
from speech_emotion.corpora.table import Utterance, read_utterances, write_utterances
from speech_emotion.errors import UserError
from speech_emotion.evaluation.calibration import tempered
from speech_emotion.evaluation.results import read_result
from speech_emotion.evaluation.scoring import score
from speech_emotion.export import forms
from speech_emotion.export.graph import export_graph
from speech_emotion.features.extraction import compute
from speech_emotion.inference import Recogniser
from speech_emotion.layers.normalisation import Statistics
from speech_emotion.learning.windows import window_starts
from speech_emotion.params import load_params
from speech_emotion.recorder import Recorder
from speech_emotion.steps import export
from speech_emotion.steps.step import StepParams
from speech_emotion.store.arrays import ArrayStore, ArrayWriter
from speech_emotion.store.hashing import sha256_file
from speech_emotion.systems.catalogue import front_end_dims, load_system, save_system

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
LABELS = ("anger", "neutral", "sadness")


def save_small_system(folder, feature="mspec-40"):
    """An LSTM small enough for seconds, with torch's random initial weights."""
    features = {feature: PARAMS.features[feature]}
    dims = front_end_dims(features, 16000)
    torch.manual_seed(0)
    system = make_system("k2", PARAMS.preprocess.recipes["plain"], features, dims, 16000, LABELS, units=8)
    width = dims[feature]
    flat = Statistics(np.full(width, -8.0), np.full(width, 3.0), np.full(width, -23.0), np.full(width, 3.0))
    system.network.fit_normalisation({feature: flat})
    save_system(system, folder)


@pytest.fixture
def inputs(tmp_path):
    draws = np.random.default_rng(0)
    utterances = []
    with ArrayWriter(tmp_path / "preprocess" / "plain") as writer:
        for number in range(12):
            samples = 3000 + 900 * number  # the first ones are shorter than a window
            writer.add(f"demo/{number:02d}", (0.1 * draws.standard_normal(samples)).astype(np.float32))
            utterances.append(
                Utterance(
                    f"demo/{number:02d}",
                    "demo",
                    f"{number:02d}.wav",
                    f"s{number % 3}",
                    None,
                    LABELS[number % 3],
                    None,
                    None,
                    None,
                    0.0,
                    samples / 16000,
                    samples / 16000,
                    16000,
                    1,
                    "0" * 64,
                    "CC0-1.0",
                )
            )
    write_utterances(tmp_path / "ingest" / "utterances.parquet", utterances)
    trained = predictions(utterances, "k2", protocol="demo-speakers", labels=LABELS)
    write_system(tmp_path / "train" / "k2", trained)
    sexes = pd.Series({utterance.id: utterance.sex for utterance in utterances})
    figures = score(read_result(tmp_path / "train" / "k2", "k2"), sexes, PARAMS.evaluate)
    (tmp_path / "select").mkdir()
    refit = {"epochs": 3, "hyperparameters": {}, "agreeing": 3, "folds": 3}
    chosen = {"figures": figures, "temperature": 1.25, "calibration": {"ece_after": 0.05}, "refit": refit}
    (tmp_path / "select" / "best.json").write_text(json.dumps(chosen))
    folders = {"selected": "select", "waveforms": "preprocess", "utterances": "ingest", "trained": "train"}
    return {port: tmp_path / name for port, name in folders.items()}


def run(inputs, folder, params=PARAMS):
    folder.mkdir()
    export.run(inputs, StepParams(params, export.STEP.sections), {"exported": folder}, Recorder(quiet=True))
    return json.loads((folder / "check.json").read_text())


def test_selected_system_becomes_three_checked_models_and_a_bundle(inputs, tmp_path):
    save_small_system(inputs["selected"] / "model")
    check = run(inputs, tmp_path / "out")
    bundle = json.loads((tmp_path / "out" / "bundle.json").read_text())
    assert check["fp32"]["max_difference"] <= PARAMS.export.tolerance
    assert check["int8"]["agreement"] > 0.5
    assert check["int8"]["layers_in_int8"] == 1
    assert check["int8-cpu"]["max_difference"] < 0.05
    assert bundle["labels"] == list(LABELS)
    assert (bundle["sample_rate"], bundle["licences"], bundle["level"]) == (16000, ["CC0-1.0"], {"kind": "none"})
    assert bundle["temperature"] == 1.25
    for name in ("out_of_distribution.json", "calibration.cache"):
        assert bundle["sha256"].pop(name) == sha256_file(tmp_path / "out" / name)
    engines = json.loads((tmp_path / "out" / "operators.json").read_text())
    assert all(one["sound"] for one in engines.values())
    assert [row["name"] for row in engines["int8-trt"]["nodes"]] == [
        node.name for node in onnx.load(tmp_path / "out" / "int8.onnx").graph.node
    ]
    for name, digest in bundle["sha256"].items():
        model = onnx.load(tmp_path / "out" / name)
        assert sha256_file(tmp_path / "out" / name) == digest
        length = model.graph.input[0].type.tensor_type.shape.dim[1]
        assert length.dim_param == "samples" if "cpu" in name else length.dim_value == bundle["window_samples"]
        assert check[name.split(".")[0]]["bytes"] == (tmp_path / "out" / name).stat().st_size


def test_the_recogniser_agrees_with_the_trained_system(inputs, tmp_path):
    save_small_system(inputs["selected"] / "model")
    run(inputs, tmp_path / "out")
    system = load_system(inputs["selected"] / "model")
    recogniser = Recogniser.load(tmp_path / "out")
    for id, waveform in ArrayStore(inputs["waveforms"] / "plain"):
        features = compute("mspec-40", waveform, PARAMS.features, 16000, system.window_samples)
        length, hop = system.params.window_frames, system.params.hop_frames
        starts = window_starts(len(features), length, hop)
        batch = torch.from_numpy(np.stack([features[start : start + length] for start in starts]))
        with torch.no_grad():
            mean = torch.softmax(system.network({"mspec-40": batch}), 1).mean(0).numpy()
        found = recogniser.predict(waveform, 16000)
        np.testing.assert_allclose(list(found.probabilities.values()), tempered(mean, 1.25), atol=1e-3, err_msg=id)
        assert len(found.windows) == len(starts)


def test_two_runs_write_the_same_bytes(inputs, tmp_path):
    save_small_system(inputs["selected"] / "model")
    run(inputs, tmp_path / "one")
    run(inputs, tmp_path / "two")
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    cards = ["MODEL_CARD.md", "OPERATORS.md", "bundle.json", "calibration.cache", "check.json"]
    models = ["fp32.onnx", "int8-cpu.onnx", "int8.onnx"]
    assert names == [*cards, *models, "operators.json", "out_of_distribution.json"]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_without_a_deployable_system_the_step_writes_the_reason(inputs, tmp_path):
    (inputs["selected"] / "model").mkdir()  # as after step select
    check = run(inputs, tmp_path / "out")
    assert "no candidate can run on the device" in check["deployable"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["check.json"]


def test_system_with_derivatives_is_refused(inputs, tmp_path):
    save_small_system(inputs["selected"] / "model", "mspec-40-d")
    with pytest.raises(UserError, match="k2 cannot run on the device"):
        run(inputs, tmp_path / "out")


def test_graph_that_differs_from_the_trained_model_is_refused(inputs, tmp_path, monkeypatch):
    save_small_system(inputs["selected"] / "model")

    def wrong(classifier, *arguments, **more):
        graph = export_graph(classifier, *arguments, **more)
        for item in graph.model.graph.initializer:
            if item.name.startswith("network") or "Gemm" in item.name or item.name.endswith("bias"):
                values = onnx.numpy_helper.to_array(item) + np.linspace(0, 1, item.dims[0], dtype=np.float32)
                item.CopyFrom(onnx.numpy_helper.from_array(values, item.name))
                break
        else:
            raise AssertionError("nothing was changed")
        return graph

    monkeypatch.setattr(forms, "export_graph", wrong)
    with pytest.raises(UserError, match=r"differs from the trained model by .*export\.tolerance = 0\.001"):
        run(inputs, tmp_path / "out")


def test_real_speech_through_the_w1_network(inputs, tmp_path, corpora):
    import soundfile

    files = sorted((corpora / "emodb" / "wav").glob("*.wav"))[::60]
    utterances = []
    with ArrayWriter(tmp_path / "speech" / "plain") as writer:
        for path in files:
            waveform, rate = soundfile.read(path, dtype="float32")
            writer.add(f"emodb/{path.stem}", waveform)
            seconds = len(waveform) / rate
            utterances.append(
                Utterance(
                    f"emodb/{path.stem}",
                    "emodb",
                    f"wav/{path.name}",
                    path.stem[:2],
                    None,
                    "neutral",
                    None,
                    None,
                    None,
                    0.0,
                    seconds,
                    seconds,
                    rate,
                    1,
                    "0" * 64,
                    "CC0-1.0",
                )
            )
    utterances = [replace(utterance, emotion=LABELS[n % 3]) for n, utterance in enumerate(utterances)]
    write_utterances(tmp_path / "table" / "utterances.parquet", utterances)
    features = {name: PARAMS.features[name] for name in PARAMS.needs["w1"].features}
    dims = front_end_dims(features, 16000)
    torch.manual_seed(0)
    recipe = PARAMS.preprocess.recipes["plain"]
    system = make_system("w1", recipe, features, dims, 16000, LABELS)
    save_system(system, inputs["selected"] / "model")
    write_system(tmp_path / "trained" / "w1", predictions(utterances, "w1", protocol="emodb-loso", labels=LABELS))
    folders = {**inputs, "waveforms": tmp_path / "speech", "utterances": tmp_path / "table"}
    folders["trained"] = tmp_path / "trained"
    check = run(folders, tmp_path / "out", PARAMS.model_copy(update={"corpus": "emodb"}))
    assert check["fp32"]["max_difference"] < 1e-4
    assert check["int8"]["layers_in_int8"] == 6
    assert check["fp32"]["operators"]["LSTM"] == 2


def test_utterances_outside_the_protocol_are_not_training_speech(inputs, tmp_path, monkeypatch):
    save_small_system(inputs["selected"] / "model")
    run(inputs, tmp_path / "spoken")
    monkeypatch.setattr(export, "load_protocol", with_sung_utterances(inputs))
    run(inputs, tmp_path / "with-sung")
    for name in ("out_of_distribution.json", "calibration.cache", "int8.onnx", "MODEL_CARD.md"):
        said, sung = ((tmp_path / folder / name).read_text(errors="replace") for folder in ("spoken", "with-sung"))
        if name == "MODEL_CARD.md":  # it contains the table's hash
            said, sung = (text.partition("## How it was measured")[0] for text in (said, sung))
        assert said == sung, name


def with_sung_utterances(inputs):
    """Adds louder, sung utterances to the table and the waveforms; returns a loader of a protocol for speech only."""
    path = inputs["utterances"] / "utterances.parquet"
    rows = read_utterances(path).assign(session="speech").astype(object).replace({np.nan: None}).to_dict("records")
    spoken = [Utterance(**row) for row in rows]
    sung = [replace(one, id=one.id.replace("demo/", "demo/sung-"), session="song") for one in spoken]
    write_utterances(path, [*spoken, *sung])
    store = inputs["waveforms"] / "plain"
    waveforms = dict(ArrayStore(store))
    shutil.rmtree(store)
    with ArrayWriter(store) as writer:
        for id, waveform in waveforms.items():
            writer.add(id, waveform)
            writer.add(id.replace("demo/", "demo/sung-"), 3 * np.cumsum(waveform, dtype=np.float32) / 10)
    protocol = load_protocol(PARAMS.budget.protocol)
    return lambda name: protocol.model_copy(update={"where": {"session": ["speech"]}})

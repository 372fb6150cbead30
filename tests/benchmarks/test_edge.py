"""The table of times per sentence, with a small model and two sentences."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

import edge
from made_up_results import LABELS, utterances
from made_up_systems import make_system
from speech_emotion.export.bundle import describe
from speech_emotion.export.calibration import calibration_cache
from speech_emotion.export.files import BUNDLE, CALIBRATION, CARD, FP32, OUT_OF_DISTRIBUTION
from speech_emotion.export.forms import exported_models
from speech_emotion.export.graph import serialise
from speech_emotion.inference.out_of_distribution_fitting import fit_detector, segments
from speech_emotion.layers.normalisation import Statistics
from speech_emotion.params import load_params
from speech_emotion.store.hashing import sha256_file
from speech_emotion.systems.catalogue import front_end_dims, save_system

RATE, WAYS = 16000, ["librosa", "pytorch", "fp32", "int8-trt", "int8-cpu", "int8-cpu+warning"]


@pytest.fixture
def speech(tmp_path):
    draws = np.random.default_rng(0)
    (tmp_path / "speech").mkdir()
    for number, seconds in enumerate((1.0, 1.7)):
        noise = 0.1 * np.cumsum(draws.standard_normal(round(seconds * RATE))) / 20
        soundfile.write(tmp_path / "speech" / f"{number}.wav", np.clip(noise, -0.9, 0.9), RATE)
    return tmp_path / "speech"


@pytest.fixture
def model(tmp_path):
    """The outputs of the steps select and export for a small LSTM."""
    params, draws = load_params(), np.random.default_rng(1)
    features = {"mspec-40": params.features["mspec-40"]}
    torch.manual_seed(0)
    recipe = params.preprocess.recipes["plain"]
    system = make_system("k2", recipe, features, front_end_dims(features, RATE), RATE, LABELS, units=8)
    flat = Statistics(*(np.full(40, value) for value in (-8.0, 3.0, -23.0, 3.0)))
    system.network.fit_normalisation({"mspec-40": flat})
    save_system(system, tmp_path / "model")
    exported = tmp_path / "export"
    exported.mkdir()
    windows = [(0.1 * draws.standard_normal(system.window_samples)).astype(np.float32) for _ in range(4)]
    graphs = exported_models(system, 13, windows)
    for name, graph in graphs.items():
        (exported / name).write_bytes(serialise(graph.model))
    heard = {str(n): segments(draws.standard_normal(3 * RATE).astype(np.float32) / 10, RATE) for n in range(4)}
    detector = fit_detector(heard, dict.fromkeys(heard, "s"), 0.05, 1.0)
    (exported / OUT_OF_DISTRIBUTION).write_text(json.dumps(detector.to_json()))
    (exported / CALIBRATION).write_text(calibration_cache(graphs[FP32], windows))
    (exported / CARD).write_text("# K2\n")
    sums = {path.name: sha256_file(path) for path in exported.iterdir() if path.name != CARD}
    table = pd.DataFrame([vars(row) for row in utterances(speakers=("f1",), each=1)])
    (exported / BUNDLE).write_text(json.dumps(describe(system, -26.0, 0, 1.0, table, sums)))
    return tmp_path


def run(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["edge.py", *map(str, arguments)])
    return edge.main()


def test_every_way_gives_labels_and_the_table_compares_them(model, speech, tmp_path, monkeypatch, capsys):
    places = ("--exported", model / "export", "--model", model / "model", "--speech", speech)
    sizes = ("--sentences", 2, "--cores", 1, "--rounds", 1, "--output", tmp_path / "edge.json")
    assert run(monkeypatch, *places, *sizes) == 0
    rows = {row["way"]: row for row in json.loads((tmp_path / "edge.json").read_text())}
    assert list(rows) == WAYS
    assert rows["pytorch"]["labels"] == rows["fp32"]["labels"] == rows["int8-cpu+warning"]["labels"]
    assert all(set(row["labels"]) <= set(LABELS) and len(row["labels"]) == 2 for row in rows.values())
    assert rows["fp32"]["agreement"] == 100
    assert rows["pytorch"]["times_pytorch"] == rows["librosa"]["times_librosa"] == 1
    for row in rows.values():
        assert 0 < row["p50"] <= row["p99"] and 0 < row["processor_p50"] <= row["processor_p99"] and row["sentence"] > 0
    assert rows["fp32"]["memory"] < rows["pytorch"]["memory"]
    report = edge.report(list(rows.values()))
    assert [line.split(" | ")[0].strip("| ") for line in report.splitlines() if line.startswith("| ")][2:] == WAYS
    printed = capsys.readouterr().out
    assert report in printed, printed
    assert "48 ms on a Jetson Xavier NX" in report


def test_too_few_sentences_are_reported_with_the_cure(model, speech, monkeypatch, capsys):
    places = ("--exported", model / "export", "--model", model / "model", "--speech", speech)
    assert run(monkeypatch, *places, "--sentences", 3) == 1
    assert "has fewer than 3 WAV files: give another folder" in capsys.readouterr().err

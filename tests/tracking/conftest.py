"""Results of two systems on made-up utterances, and an empty tracking database that is created once."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from made_up_results import LABELS, predictions, utterances, write_system, write_table
from speech_emotion.store.hashing import sha256_file
from speech_emotion.tracking.connection import open_store
from speech_emotion.tracking.contents import Folders
from speech_emotion_jetson.measures import measures
from speech_emotion_jetson.out_of_distribution import OodDetector

SYSTEMS = ("k2", "t2")
SPEAKERS = ("f1", "m2")
SAMPLES = 16


def write_results(root: Path) -> Folders:
    """Writes small outputs of ingest, tune, train, evaluate, select and export; T2 has no epochs."""
    names = ("utterances", "tuned", "trained", "evaluation", "selected", "exported", "provenance", "journals")
    folders = Folders(**{name: root / name for name in names})
    for name in names:
        (root / name).mkdir(parents=True)
    rows = utterances(speakers=SPEAKERS)
    write_table(folders.utterances, rows)
    metrics = {}
    for system in SYSTEMS:
        units = {
            f"{speaker}-0": {"key": system + speaker, "best_epoch": 3, "epochs": 9, "ua": 50.0} for speaker in SPEAKERS
        }
        write_system(
            folders.trained / system,
            predictions(rows, system),
            epochs=20 if system == "k2" else 0,
            units=units,
            hyperparameters={"learning_rate": 0.001, "layers": [32, 64]},
            needs={"recipe": "plain", "features": ["mspec-40"]},
        )
        metrics[system] = {
            "ua": 61.5,
            "wa": 63.0,
            "ece": 0.1,
            "per_class": {label: {"recall": 60.0} for label in LABELS},
        }
        (folders.tuned / system).mkdir()
        (folders.tuned / system / "best.json").write_text("{}")
        for folder in ("figures", "confusion"):
            (folders.evaluation / folder).mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(folders.evaluation / "figures" / f"confusion-{system}.png")
        (folders.evaluation / "confusion" / f"{system}.csv").write_text("actual,predicted\n")
    (folders.evaluation / "figures" / "comparison.png").write_bytes(b"made up")
    (folders.evaluation / "metrics.json").write_text(json.dumps(metrics))
    (folders.evaluation / "report.md").write_text("# Report\n")
    summary = {
        "corpus": "emodb",
        "protocol": "emodb-loso",
        "speaker_independent": True,
        "synthetic": False,
        "table_sha256": "ab" * 32,
    }
    (folders.evaluation / "summary.json").write_text(json.dumps(summary))
    (folders.selected / "best.json").write_text('{"best": "t2", "best_deployable": "k2"}')
    (folders.provenance / "train-k2.json").write_text('{"revision": "0123abc"}')
    (folders.provenance / "ingest.json").write_text('{"data": {"dvc": "77.dir", "remote": "s3://speech/store"}}')
    return folders


def write_export(folder: Path, seed: int = 0) -> None:
    """Writes a graph whose probabilities are means of four samples, and the other files of an export.

    Args:
        seed: another one makes another model.
    """
    weights = np.kron(np.eye(4), np.ones((4, 1))).astype(np.float32) * (1 + seed)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["waveform", "w"], ["z"]), helper.make_node("Softmax", ["z"], ["probabilities"])],
        "classifier",
        [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, [1, SAMPLES])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, len(LABELS)])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    for name in ("fp32.onnx", "int8.onnx"):
        onnx.save(model, folder / name)
    dims = len(measures(np.sin(np.arange(32000, dtype=np.float32)), 16000))
    detector = OodDetector(np.zeros(dims), np.eye(dims), 1.0)
    (folder / "out_of_distribution.json").write_text(json.dumps(detector.to_json()))
    bundle = {
        "system": "k2",
        "title": "K2",
        "labels": list(LABELS),
        "input": "waveform",
        "output": "probabilities",
        "sample_rate": 16000,
        "level": {"kind": "none"},
        "window_samples": SAMPLES,
        "least_samples": SAMPLES,
        "hop_samples": SAMPLES // 2,
        "frame_hop_samples": SAMPLES // 4,
        "temperature": 1.0,
        "licences": ["CC0-1.0"],
        "sha256": {name: sha256_file(folder / name) for name in ("fp32.onnx", "int8.onnx", "out_of_distribution.json")},
    }
    (folder / "bundle.json").write_text(json.dumps(bundle))
    check = {"deployable": "k2", "fp32": {"max_difference": 1e-7}, "int8": {"agreement": 0.98}}
    (folder / "check.json").write_text(json.dumps(check))
    (folder / "MODEL_CARD.md").write_text("# K2, made up\n\nLicence of the data: CC0-1.0.\n\n## Data\n\nMade up.\n")


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory) -> Path:
    """Creating the tables takes seconds, so each test copies this file."""
    path = tmp_path_factory.mktemp("database") / "empty.db"
    with open_store(f"sqlite:///{path}", "template"):
        pass
    shutil.rmtree(path.parent / "mlartifacts", ignore_errors=True)
    return path


@pytest.fixture
def folders(tmp_path) -> Folders:
    return write_results(tmp_path / "artifacts")


@pytest.fixture
def exported(folders) -> Folders:
    """The same results with an exported model."""
    write_export(folders.exported)
    return folders


@pytest.fixture
def new_database(tmp_path, empty_database):
    """Makes a database file without runs in the test's folder and returns its address."""

    def make(name: str = "mlflow.db") -> str:
        shutil.copy(empty_database, tmp_path / name)
        return f"sqlite:///{tmp_path / name}"

    return make


@pytest.fixture
def write_model():
    """Writes another model to a folder of the export step; arguments folder and seed."""
    return write_export

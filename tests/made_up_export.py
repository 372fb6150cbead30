"""A made-up export: a folder such as the export step writes, with a graph whose answers can be computed by hand."""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from speech_emotion.store.hashing import sha256_file
from speech_emotion_jetson.measures import measures

LABELS = ("anger", "neutral", "sadness")
RATE = 16000
WINDOW, HOP, STEP = 3200, 1600, 160
WEIGHTS = np.random.default_rng(0).standard_normal((WINDOW, len(LABELS))).astype(np.float32) / 10


def answer(window: np.ndarray) -> np.ndarray:
    """The graph's answer for one window, (classes,)."""
    logits = np.asarray(window, np.float64) @ WEIGHTS
    exponentials = np.exp(logits - logits.max())
    return exponentials / exponentials.sum()


def write_many_windows(path: Path) -> None:
    """Writes the form of the graph for many windows of one waveform, which gives the same answers."""
    nodes = [
        helper.make_node("Squeeze", ["waveform", "first"], ["samples"]),
        helper.make_node("Mul", ["starts", "step"], ["places"]),
        helper.make_node("Unsqueeze", ["places", "last"], ["column"]),
        helper.make_node("Add", ["column", "offsets"], ["indices"]),
        helper.make_node("Gather", ["samples", "indices"], ["windows"]),
        helper.make_node("MatMul", ["windows", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    constants = {
        "first": np.array([0]),
        "last": np.array([1]),
        "step": np.array(STEP),
        "offsets": np.arange(WINDOW),
        "weights": WEIGHTS,
    }
    ends = [
        helper.make_tensor_value_info("waveform", TensorProto.FLOAT, [1, "samples"]),
        helper.make_tensor_value_info("starts", TensorProto.INT64, ["windows"]),
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["windows", len(LABELS)]),
    ]
    initializers = [numpy_helper.from_array(values, name) for name, values in constants.items()]
    graph = helper.make_graph(nodes, "g", ends[:2], ends[2:], initializers)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


def write_export(folder: Path, threshold: float = 1e6, **changed: object) -> Path:
    """Writes the folder; keywords change values of bundle.json and the out-of-distribution threshold."""
    folder.mkdir()
    nodes = [
        helper.make_node("MatMul", ["waveform", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size])
        for name, size in (("waveform", WINDOW), ("probabilities", len(LABELS)))
    ]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], [numpy_helper.from_array(WEIGHTS, "weights")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, folder / "fp32.onnx")
    dims = len(measures(np.ones(RATE), RATE))
    detector = {"mean": [0.0] * dims, "whiten": np.eye(dims).tolist(), "threshold": threshold}
    (folder / "out_of_distribution.json").write_text(json.dumps(detector))
    bundle = {
        "labels": LABELS,
        "input": "waveform",
        "output": "probabilities",
        "sample_rate": RATE,
        "level": {"kind": "none"},
        "window_samples": WINDOW,
        "hop_samples": HOP,
        "frame_hop_samples": STEP,
        "least_samples": WINDOW,
        "temperature": 1.0,
        "sha256": {name: sha256_file(folder / name) for name in ("fp32.onnx", "out_of_distribution.json")},
    }
    (folder / "bundle.json").write_text(json.dumps(bundle | changed))
    return folder

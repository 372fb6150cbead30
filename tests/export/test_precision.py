"""How TensorRT 8.5 runs each node, by its tables."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from made_up_systems import make_system
from speech_emotion.errors import UserError
from speech_emotion.export.classifier import WindowClassifier
from speech_emotion.export.graph import FRONT_END, Graph, export_graph
from speech_emotion.export.operators import PAIR
from speech_emotion.export.precision import PRECISIONS, RECURRENT, report
from speech_emotion.export.quantise import LAYERS, quantise
from speech_emotion.export.spectra import Spectra
from speech_emotion.features.frontend import FrontEnd
from speech_emotion.learning.network import Network
from speech_emotion.params import load_params
from speech_emotion.systems.base import Definition
from speech_emotion.systems.catalogue import front_end_dims
from speech_emotion.systems.network import WaveformClassifier

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
LABELS = ("anger", "neutral", "sadness")
FRAMES = 32
SMALL = {
    "w1": {"window_frames": FRAMES, "hop_frames": 8},
    "t1": {"window_frames": FRAMES, "hop_frames": 8, "channels": 4, "units": 8},
}
IMAGE = "mspec-40"


class Convolutions(Network):
    """A purely convolutional network over log-mel bands."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3), nn.ReLU()
        )
        self.dense = nn.Linear(4, len(LABELS))

    def forward(self, features):
        return self.dense(self.layers(features[IMAGE][:, None]).mean(dim=(2, 3)))


def windows_of(samples: int) -> list[np.ndarray]:
    draws = np.random.default_rng(0)
    return [(0.1 * draws.standard_normal(samples)).astype(np.float32) for _ in range(3)]


def small(id: str) -> tuple[Graph, onnx.ModelProto]:
    torch.manual_seed(0)
    needs = PARAMS.needs[id]
    features = {name: PARAMS.features[name] for name in needs.features}
    recipe = PARAMS.preprocess.recipes[needs.recipe]
    system = make_system(id, recipe, features, front_end_dims(features, 16000), 16000, LABELS, **SMALL[id])
    graph = export_graph(WindowClassifier(system), system.window_samples, PARAMS.export.opset, Spectra)
    return graph, quantise(graph, windows_of(system.window_samples))


def convolutional() -> tuple[Graph, onnx.ModelProto]:
    torch.manual_seed(0)
    feature = PARAMS.features[IMAGE]
    definition = Definition("c", PARAMS.export, PARAMS.preprocess.recipes["plain"], {IMAGE: feature}, {}, 16000, LABELS)
    samples = feature.frame + (FRAMES - 1) * feature.hop
    graph = export_graph(WaveformClassifier(definition, Convolutions(), FRAMES), samples, PARAMS.export.opset, FrontEnd)
    return graph, quantise(graph, windows_of(samples))


@pytest.fixture(scope="module", params=["w1", "t1", "convolutional"])
def exported(request):
    """A name, its exported graph, and the graph with Q/DQ pairs."""
    graph, quantised = convolutional() if request.param == "convolutional" else small(request.param)
    return request.param, graph, quantised


@pytest.fixture(scope="module")
def models(exported):
    """precision -> the file that its engine is built from."""
    _, graph, quantised = exported
    return {name: quantised if name == "int8" else graph.model for name in PRECISIONS}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_graphs_run_as_requested_and_every_node_is_listed(models, precision):
    found = report(models[precision], precision)
    assert found.sound and not found.otherwise
    assert [row.name for row in found.rows] == [node.name for node in models[precision].graph.node]
    assert all(row.runs for row in found.rows)


def test_int8_is_only_between_q_dq_pairs_around_layers(exported, models):
    name, graph, quantised = exported
    found = report(quantised)
    assert found.precision == "int8"
    in_int8 = {row.name for row in found.rows if row.runs == "INT8" and row.operator not in PAIR}
    layers = {node.name for node in graph.model.graph.node if node.op_type in LAYERS}
    assert in_int8 == layers - graph.front_end
    assert len(in_int8) >= 3
    recurrent = [row for row in found.rows if row.operator in RECURRENT]
    assert bool(recurrent) == (name != "convolutional")
    assert all(row.runs == "FP16" and not row.pinned and "never INT8" in row.remark for row in recurrent)


@pytest.mark.parametrize("precision", ["fp16", "int8", "int8-calibrated"])
def test_the_front_end_computes_and_outputs_fp32(exported, models, precision):
    _, graph, _ = exported
    found = report(models[precision], precision)
    rows = [row for row in found.rows if row.name in graph.front_end]
    assert len(rows) == len(graph.front_end) > 5
    assert all(row.name.startswith(FRONT_END) and row.runs == "FP32" and row.pinned for row in rows)
    precisions, types = (pins(found, flag) for flag in ("--layerPrecisions", "--layerOutputTypes"))
    assert all(precisions[row.name] == types[row.name] == "fp32" for row in rows)


def pins(found, flag: str) -> dict[str, str]:
    """The list of a flag as trtexec reads it: by commas, then at the last colon."""
    (line,) = (line for line in found.flags() if line.startswith(f"{flag}="))
    return dict(part.rsplit(":", 1) for part in line.partition("=")[2].split(","))


@pytest.mark.parametrize("precision", ["fp16", "int8", "int8-calibrated"])
def test_pins_name_nodes_of_the_file_and_the_requested_precision(models, precision):
    found = report(models[precision], precision)
    asked = {row.name: row.asked.lower() for row in found.rows if row.pinned}
    assert pins(found, "--layerPrecisions") == asked
    assert set(asked) <= {node.name for node in models[precision].graph.node}
    assert set(pins(found, "--layerOutputTypes").values()) == {"fp32"}
    assert ("--int8" in found.flags()) == precision.startswith("int8") and "--fp16" in found.flags()


def test_the_plain_engine_has_no_pins(models):
    assert report(models["fp32"]).flags() == ("--noTF32",)


def changed(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def test_a_layer_without_its_pair_is_reported(exported):
    _, graph, quantised = exported
    model = changed(quantised)
    layer = next(node for node in model.graph.node if node.op_type == "Conv" and node.name not in graph.front_end)
    pair = next(node for node in model.graph.node if layer.input[1] in node.output)
    quantise_node = next(node for node in model.graph.node if pair.input[0] in node.output)
    layer.input[1] = quantise_node.input[0]  # the weights themselves
    (row,) = report(model).otherwise
    assert (row.name, row.asked, row.runs, row.pinned) == (layer.name, "INT8", "FP16", False)
    assert "one before its weights" in row.remark


def test_a_pair_before_an_operator_without_int8_is_reported(graph, windows):
    model = changed(quantise(graph, windows))
    softmax = next(node for node in model.graph.node if node.op_type == "Softmax")
    scalar = onnx.numpy_helper.from_array(np.float32(0.1), "stray-scale")
    none = onnx.numpy_helper.from_array(np.int8(0), "stray-zero")
    model.graph.initializer.extend([scalar, none])
    given = softmax.input[0]
    place = list(model.graph.node).index(softmax)
    model.graph.node.insert(
        place, onnx.helper.make_node("QuantizeLinear", [given, "stray-scale", "stray-zero"], ["stray"], name="stray-q")
    )
    model.graph.node.insert(
        place + 1,
        onnx.helper.make_node("DequantizeLinear", ["stray", "stray-scale", "stray-zero"], ["back"], name="stray-d"),
    )
    model.graph.node[place + 2].input[0] = "back"
    (row,) = report(model).otherwise
    assert (row.operator, row.asked, row.runs) == ("Softmax", "INT8", "FP32")
    assert "only for convolutions and dense layers" in row.remark


def test_a_refused_node_is_listed_and_not_pinned(exported):
    _, graph, _ = exported
    model = changed(graph.model)
    last = next(node for node in model.graph.node if node.op_type == "Softmax")
    last.op_type = "Hardmax"
    found = report(model, "fp16")
    assert not found.sound
    (row,) = found.refused
    assert row.runs == "" and not row.pinned and "no such operator" in row.remark
    text = found.markdown("made up")
    assert "TensorRT 8.5 refuses it" in text and f"| `{last.name}` | Hardmax | FP16 | refused |" in text


def test_faults_of_the_file_refuse_it(graph):
    model = changed(graph.model)
    model.opset_import[0].version, model.ir_version = 18, 9
    found = report(model)
    assert not found.sound and len(found.faults) == 2
    assert "- **refused**: opset = 18" in found.markdown("made up")


def test_no_precision_is_requested_for_integers_and_booleans():
    value = onnx.helper.make_tensor_value_info
    nodes = [
        onnx.helper.make_node("Cast", ["x"], ["i"], name="cast", to=onnx.TensorProto.INT64),
        onnx.helper.make_node("Greater", ["x", "zero"], ["b"], name="greater"),
        onnx.helper.make_node("Cast", ["i"], ["f"], name="back", to=onnx.TensorProto.FLOAT),
        onnx.helper.make_node("Where", ["b", "f", "x"], ["y"], name="where"),
    ]
    ends = [value(name, onnx.TensorProto.FLOAT, [1, 4]) for name in "xy"]
    zero = onnx.numpy_helper.from_array(np.float32(0), "zero")
    made = onnx.helper.make_graph(nodes, "g", ends[:1], ends[1:], [zero])
    model = onnx.helper.make_model(made, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    rows = {row.name: row for row in report(model, "fp16").rows}
    assert [(rows[name].asked, rows[name].runs) for name in ("cast", "greater")] == [("", "INT32"), ("", "BOOL")]
    assert "INT64 becomes INT32" in rows["cast"].remark
    assert not rows["cast"].pinned and not rows["greater"].pinned


@pytest.mark.parametrize(
    ("precision", "message"), [("fp8", "precision = fp8: must be one of"), ("fp16", "holds Q/DQ pairs: must be int8")]
)
def test_an_engine_that_cannot_be_built_from_the_file_is_refused(graph, windows, precision, message):
    with pytest.raises(UserError, match=message):
        report(quantise(graph, windows), precision)


def test_a_name_that_trtexec_cannot_read_is_refused(graph):
    found = report(graph.model, "fp16")
    spoilt = replace(found, rows=tuple(replace(row, name=f"{row.name},x") for row in found.rows))
    with pytest.raises(UserError, match="cannot be pinned"):
        spoilt.flags()

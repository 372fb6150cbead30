import json
from importlib import resources

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from speech_emotion.errors import UserError
from speech_emotion.export.operators import TABLE, check_operators, faults, table


def model(*nodes, shape=(1, 4, 8), constants=(), opset=13, domain="", ir=8, kind=TensorProto.FLOAT):
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(value, name) for name, value in constants],
    )
    graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
    opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir)


def only(found):
    found = list(found)
    assert len(found) == 1, found
    return found[0]


def node(kind, *inputs, outputs=("y",), **attributes):
    return helper.make_node(kind, ["x", *inputs], list(outputs), name=f"the-{kind}", **attributes)


def test_exported_classifier_passes_and_is_counted(graph):
    counts = check_operators(graph.model)
    assert counts["LSTM"] == 2
    assert sum(counts.values()) == len(graph.model.graph.node)


@pytest.mark.parametrize("kind", ["Hardmax", "LayerNormalization", "IsInf"])
def test_unsupported_operators_are_named(kind):
    assert only(faults(model(node(kind), opset=17))).startswith(f"{kind} the-{kind}: TensorRT 8.5 has no such operator")


def test_graph_whose_shapes_cannot_be_inferred_is_refused():
    found = list(faults(model(node("STFT"), opset=17)))
    assert found[0].startswith("shapes: ")
    assert found[1].startswith("STFT the-STFT: TensorRT 8.5 has no such operator")


def test_unknown_operator_is_named():
    assert "Mish the-Mish" in only(faults(model(node("Mish"))))


def test_all_offending_nodes_are_named_in_the_error():
    with pytest.raises(UserError) as error:
        check_operators(model(node("IsInf", outputs=["z"]), node("Hardmax")))
    assert [line.split(":")[0] for line in str(error.value).splitlines()] == [
        "IsInf the-IsInf",
        "Hardmax the-Hardmax",
    ]


def test_foreign_domain_is_refused():
    found = list(faults(model(node("DynamicQuantizeLSTM", domain="com.microsoft"), domain="com.microsoft")))
    assert len(found) == 2
    assert all("com.microsoft" in line for line in found)


def test_newer_opset_and_ir_version_are_refused():
    assert "opset = 18: must be at most 17" in only(faults(model(node("Relu"), opset=18)))
    assert "ir_version = 9: must be at most 8" in only(faults(model(node("Relu"), ir=9)))


def test_open_shape_is_refused():
    assert only(faults(model(node("Relu"), shape=("batch", 4, 8)))).startswith("x: its shape is not fixed")


def test_type_outside_the_table_is_refused():
    assert "type INT32: must be one of FP32, FP16" in only(faults(model(node("Sqrt"), kind=TensorProto.INT32)))


def test_one_dimensional_pooling_is_refused_and_two_dimensional_is_not():
    assert "2D or 3D pooling only" in only(faults(model(node("MaxPool", kernel_shape=[2]))))
    assert not list(faults(model(node("MaxPool", kernel_shape=[2, 2]), shape=(1, 1, 4, 8))))
    indices = node("MaxPool", outputs=["y", "i"], kernel_shape=[2, 2])
    assert "Indices" in only(faults(model(indices, shape=(1, 1, 4, 8))))


@pytest.mark.parametrize(("zero", "legal"), [(np.int8(0), True), (np.int8(3), False), (np.uint8(0), False)])
def test_zero_points_must_be_int8_zeros(zero, legal):
    quantise = helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"], name="q")
    made = model(quantise, constants=[("s", np.float32(0.1)), ("z", np.asarray(zero))])
    assert bool(list(faults(made))) != legal


def test_computed_axes_are_refused():
    axes = helper.make_node("Add", ["a", "a"], ["axes"])
    made = model(axes, node("Unsqueeze", "axes"), constants=[("a", np.array([1], np.int64))])
    assert "axes must be an initializer" in only(faults(made))


def test_bidirectional_lstm_needs_equal_activations():
    weights = [("w", np.zeros((2, 16, 8), np.float32)), ("r", np.zeros((2, 16, 4), np.float32))]
    for backward, legal in (("Tanh", True), ("Relu", False)):
        activations = ["Sigmoid", "Tanh", "Tanh", "Sigmoid", backward, "Tanh"]
        lstm = node("LSTM", "w", "r", direction="bidirectional", hidden_size=4, activations=activations)
        assert bool(list(faults(model(lstm, constants=weights)))) != legal


def test_table_is_plain_data_with_a_verdict_for_each_operator():
    raw = resources.files("speech_emotion.export").joinpath(TABLE).read_text(encoding="utf-8")
    assert table() == json.loads(raw)
    assert len(table()["operators"]) == 180
    assert all(entry["supported"] in (True, False) for entry in table()["operators"].values())
    assert (
        not set(table()["operators"])
        - {schema.name for schema in onnx.defs.get_all_schemas()}
        - {
            "ImageScaler",
            "ParametricSoftplus",
            "ScaledTanh",
        }
    )


def int64(name, *values):
    return name, np.array(values, np.int64)


def test_integers_beyond_int32_are_refused_except_as_the_end_of_a_slice():
    reshape = model(node("Reshape", "s"), constants=[int64("s", 2**40)])
    assert "s holds 1099511627776, which is beyond INT32" in list(faults(reshape))[-1]
    ends = [int64("from", 0), int64("to", 2**63 - 1), int64("axes", 2)]
    assert not list(faults(model(node("Slice", "from", "to", "axes"), constants=ends)))


def test_unsupported_type_is_named():
    assert "type DOUBLE: must be one of" in only(faults(model(node("Relu"), kind=TensorProto.DOUBLE)))


def pair(tensor, scale, axis=0):
    """The nodes that quantise and dequantise a tensor, and their constants."""
    of, less, more = [f"{tensor}-scale", f"{tensor}-zero"], f"{tensor}-q", f"{tensor}-d"
    zero = np.zeros(np.shape(scale), np.int8)
    nodes = [
        helper.make_node("QuantizeLinear", [tensor, *of], [less], name=less, axis=axis),
        helper.make_node("DequantizeLinear", [less, *of], [more], name=more, axis=axis),
    ]
    return nodes, [(of[0], np.array(scale, np.float32)), (of[1], zero)]


@pytest.mark.parametrize(("transposed", "axis", "legal"), [(1, 0, True), (1, 1, False), (0, 1, True), (0, 0, False)])
def test_scales_of_weights_are_along_their_output_channels(transposed, axis, legal):
    nodes, constants = pair("w", [0.1] * 4, axis)
    gemm = helper.make_node("Gemm", ["x", "w-d"], ["y"], name="gemm", transB=transposed)
    made = model(*nodes, gemm, shape=(1, 4), constants=[*constants, ("w", np.ones((4, 4), np.float32))])
    found = list(faults(made))
    assert (not found) == legal
    assert legal or f"must be axis {0 if transposed else 1}, its output channels" in found[0]


def test_an_activation_has_one_scale():
    nodes, constants = pair("x", [0.1] * 4, axis=1)
    relu = helper.make_node("Relu", ["x-d"], ["y"], name="relu")
    assert "has several scales for an activation" in only(faults(model(*nodes, relu, constants=constants)))


def test_only_dequantisation_reads_int8():
    nodes, constants = pair("x", 0.1)
    stray = helper.make_node("MaxPool", ["x-q"], ["p"], name="pool", kernel_shape=[2, 2])
    relu = helper.make_node("Relu", ["x-d"], ["y"], name="relu")
    found = list(faults(model(*nodes, stray, relu, shape=(1, 1, 4, 8), constants=constants)))
    assert found[0] == "QuantizeLinear x-q: MaxPool pool reads its INT8: only DequantizeLinear may"


@pytest.mark.parametrize("scale", [0.0, -1.0, np.inf])
def test_an_invalid_scale_is_refused(scale):
    nodes, constants = pair("x", scale)
    relu = helper.make_node("Relu", ["x-d"], ["y"], name="relu")
    assert "its scale must be positive and finite" in next(faults(model(*nodes, relu, constants=constants)))

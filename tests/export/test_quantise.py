import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from speech_emotion.errors import UserError
from speech_emotion.export.check import compare, exported_probabilities, trained_probabilities
from speech_emotion.export.graph import serialise
from speech_emotion.export.operators import check_operators
from speech_emotion.export.quantise import faults, quantise, quantised_layers


@pytest.fixture(scope="module")
def quantised(graph, windows):
    return quantise(graph, windows)


def constants(model):
    return {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}


def test_zero_points_are_int8_zeros_and_operators_stay_legal(quantised):
    values = constants(quantised)
    pairs = [node for node in quantised.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert pairs
    assert all(values[node.input[2]].dtype == np.int8 and not values[node.input[2]].any() for node in pairs)
    assert {entry.domain for entry in quantised.opset_import} == {""}
    assert quantised.ir_version <= 8
    check_operators(quantised)


def test_network_layers_are_quantised_and_the_front_end_and_lstm_are_not(quantised, graph):
    layers = quantised_layers(quantised)
    assert len(layers) == 4  # one convolution, attention, two dense layers
    assert not set(layers) & graph.front_end
    dequantised = {node.output[0] for node in quantised.graph.node if node.op_type == "DequantizeLinear"}
    for node in quantised.graph.node:
        if node.op_type == "LSTM" or node.name in graph.front_end:
            assert not dequantised & set(node.input)
    before = {node.name: list(node.input) for node in graph.model.graph.node if node.name in graph.front_end}
    after = {node.name: list(node.input) for node in quantised.graph.node if node.name in graph.front_end}
    assert after == before


def test_weights_are_quantised_per_channel(quantised):
    values = constants(quantised)
    weighted = [node for node in quantised.graph.node if node.op_type == "QuantizeLinear" and node.input[0] in values]
    assert {values[node.input[1]].size for node in weighted} == {
        4,
        1,
        12,
        5,
    }  # output channels of the four layers


def test_outputs_of_layers_have_no_pair(quantised):
    users = {name: node.op_type for node in quantised.graph.node for name in node.input}
    for node in quantised.graph.node:
        if node.op_type in ("Conv", "Gemm"):
            assert users[node.output[0]] != "QuantizeLinear"


def test_int8_mostly_agrees_with_the_trained_model(quantised, classifier, windows):
    found = compare(trained_probabilities(classifier, windows), exported_probabilities(serialise(quantised), windows))
    assert 0 < found["mean_difference"] < 0.02
    assert found["agreement"] >= 0.9


def test_two_quantisations_are_the_same_to_the_byte(quantised, graph, windows):
    assert serialise(quantise(graph, windows)) == serialise(quantised)


def test_calibration_sets_the_ranges(quantised, graph, windows):
    assert serialise(quantise(graph, [0.01 * window for window in windows])) != serialise(quantised)


def test_no_windows_is_refused(graph):
    with pytest.raises(UserError, match="calibration windows = 0"):
        quantise(graph, [])


def test_faults_see_another_zero_point_and_a_quantised_lstm(quantised, graph):
    broken = onnx.ModelProto()
    broken.CopyFrom(quantised)
    pair = next(node for node in broken.graph.node if node.op_type == "QuantizeLinear")
    zero = next(item for item in broken.graph.initializer if item.name == pair.input[2])
    zero.CopyFrom(numpy_helper.from_array(np.full(tuple(zero.dims), 5, np.int8), zero.name))
    assert zero.data_type == TensorProto.INT8
    lstm = next(node for node in broken.graph.node if node.op_type == "LSTM")
    lstm.input[0] = next(node.output[0] for node in broken.graph.node if node.op_type == "DequantizeLinear")
    found = "\n".join(faults(broken, graph))
    assert "its zero point must be an int8 zero" in found
    assert "LSTM" in found
    assert not list(faults(quantised, graph))

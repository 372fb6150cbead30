import struct

import numpy as np
import pytest

from speech_emotion.errors import UserError
from speech_emotion.export.calibration import HEADER, calibration_cache, parse, ranges
from speech_emotion.export.graph import INPUT, serialise, session
from speech_emotion.export.quantise import LAYERS, quantise


def layers(graph):
    return [node for node in graph.model.graph.node if node.op_type in LAYERS and node.name not in graph.front_end]


def test_a_cache_has_tensorrts_text_format(graph, windows):
    text = calibration_cache(graph, windows)
    header, *lines = text.splitlines()
    assert header == "TRT-8502-EntropyCalibration2" and text.endswith("\n")
    found = ranges(graph, windows)
    assert len(lines) == len(found)
    for line, (tensor, largest) in zip(lines, found.items(), strict=True):
        name, digits = line.rsplit(": ", 1)
        assert name == tensor
        assert len(digits) == 8 and digits == digits.lower()
        assert struct.unpack(">f", bytes.fromhex(digits))[0] == pytest.approx(largest / 127, rel=1e-6)


def test_tensors_around_layers_have_a_scale_and_the_front_end_has_none(graph, windows):
    scales = parse(calibration_cache(graph, windows))
    assert layers(graph)
    for layer in layers(graph):
        assert {layer.input[0], layer.output[0]} <= set(scales)
    front_end = {name for node in graph.model.graph.node if node.name in graph.front_end for name in node.output}
    assert not front_end & set(scales)
    relus = [node for node in graph.model.graph.node if node.op_type == "Relu"]
    assert relus and all(node.output[0] in scales for node in relus)


def test_a_layer_input_has_the_same_range_as_in_the_int8_file(graph, windows):
    quantised = quantise(graph, windows)
    constants = {item.name: item for item in quantised.graph.initializer}
    scales = parse(calibration_cache(graph, windows))
    inputs = {layer.input[0] for layer in layers(graph)}
    pairs = [node for node in quantised.graph.node if node.op_type == "QuantizeLinear" and node.input[0] in inputs]
    assert len(pairs) >= len(inputs)
    for node in pairs:
        in_file = np.frombuffer(constants[node.input[1]].raw_data or b"", np.float32)
        in_file = in_file[0] if in_file.size else constants[node.input[1]].float_data[0]
        assert scales[node.input[0]] == pytest.approx(float(in_file), rel=0.01)


def test_ranges_are_the_largest_absolute_values(graph, windows):
    found = ranges(graph, windows[:3])
    with session(serialise(graph.model)) as running:
        answers = [np.abs(running.run(None, {INPUT: window[np.newaxis]})[0]).max() for window in windows[:3]]
    assert max(answers) <= 1
    assert all(value >= 0 for value in found.values())
    assert ranges(graph, windows[:1]).keys() == found.keys()
    assert all(ranges(graph, windows[:1])[name] <= found[name] for name in found)


def test_no_windows_are_refused(graph):
    with pytest.raises(UserError, match=r"calibration windows = 0: .*run the preprocess step"):
        calibration_cache(graph, [])


@pytest.mark.parametrize("text", ["", "other\nx: 3c010204\n", f"{HEADER}\nx 3c010204\n", f"{HEADER}\nx: 3c01\n"])
def test_a_damaged_cache_is_refused(text):
    with pytest.raises(UserError, match="calibration cache: is damaged"):
        parse(text)


def test_names_with_colons_are_read_back():
    assert parse(f"{HEADER}\nonnx::Conv_1: 3f800000\n") == {"onnx::Conv_1": 1.0}

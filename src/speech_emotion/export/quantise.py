"""INT8 by explicit quantisation: symmetric, with weights per channel, of convolutions and dense layers only.

TensorRT 8.5 accepts only Q/DQ pairs with zero points of 0, and does not support INT8 for LSTM, MatMul or Softmax.
Outputs of layers get no pair, so that bias and activation are fused with the layer. In the file, weights stay float32
with a pair after them, so the file is not smaller; the device's engine holds them as INT8.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from speech_emotion.errors import UserError
from speech_emotion.export.graph import INPUT, Graph, plain, serialise

LAYERS = ("Conv", "Gemm")  # operators with weights that TensorRT 8.5 supports in INT8
PAIR = ("QuantizeLinear", "DequantizeLinear")


class CalibrationWindows(CalibrationDataReader):
    """Feeds windows to onnxruntime's calibration one by one.

    Args:
        windows: (window_samples,) each.
        more: other inputs of the graph, the same for each window.
    """

    def __init__(self, windows: Iterable[np.ndarray], **more: np.ndarray):
        self._windows, self._more = iter(windows), more

    def get_next(self) -> dict[str, np.ndarray] | None:
        window = next(self._windows, None)
        if window is None:
            return None
        return {INPUT: np.ascontiguousarray(window, dtype=np.float32)[np.newaxis], **self._more}


def quantise(graph: Graph, windows: Iterable[np.ndarray]) -> onnx.ModelProto:
    """The graph with Q/DQ pairs around the inputs and weights of the network's Conv and Gemm layers.

    Args:
        graph: as exported; its front-end and everything recurrent stay float32.
        windows: training speech, (window_samples,) each; the largest magnitude sets a range.

    Raises:
        UserError: there are no windows, the range of a layer is not finite, or the result breaks the rules above.
    """
    model = calibrated(
        graph,
        windows,
        op_types_to_quantize=list(LAYERS),
        nodes_to_exclude=sorted(graph.front_end),
        activation_type=QuantType.QInt8,
        extra_options={
            "ActivationSymmetric": True,
            "WeightSymmetric": True,
            "AddQDQPairToWeight": True,
            "DedicatedQDQPair": True,
            "QuantizeBias": False,
            "OpTypesToExcludeOutputQuantization": list(LAYERS),
        },
    )
    model = plain(model)
    if found := list(faults(model, graph)):
        raise UserError("\n".join(found))
    return model


def calibrated(
    graph: Graph, windows: Iterable[np.ndarray], more: Mapping[str, np.ndarray] | None = None, **options: Any
) -> onnx.ModelProto:
    """The graph with Q/DQ pairs by onnxruntime's quantiser: weights in int8 per channel, activations in the range
    between their smallest and largest value.

    Args:
        graph: as exported, in FP32.
        windows: training speech, (window_samples,) each.
        more: the graph's other inputs.
        options: of quantize_static: which nodes are quantised, and how activations are.

    Raises:
        UserError: there are no windows.
    """
    windows = list(windows)
    if not windows:
        raise UserError("calibration windows = 0: INT8 needs training speech: run the preprocess step")
    with TemporaryDirectory() as folder, silent():
        source, target = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        source.write_bytes(serialise(graph.model))
        quantize_static(
            source,
            target,
            CalibrationWindows(windows, **(more or {})),
            quant_format=QuantFormat.QDQ,
            weight_type=QuantType.QInt8,
            per_channel=True,
            calibrate_method=CalibrationMethod.MinMax,
            **options,
        )
        return onnx.load(target)


def faults(model: onnx.ModelProto, graph: Graph) -> Iterator[str]:
    """How a quantised graph breaks the rules of this module, one line each.

    Args:
        model: the quantised graph.
        graph: the graph that it was made from.
    """
    constants = {item.name: item for item in model.graph.initializer}
    makers = {output: node for node in model.graph.node for output in node.output}
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    for node in model.graph.node:
        if node.op_type in PAIR:
            scale = constants.get(node.input[1])
            zero = constants.get(node.input[2]) if len(node.input) > 2 else None
            if zero is None or zero.data_type != onnx.TensorProto.INT8 or numpy_helper.to_array(zero).any():
                yield f"{node.op_type} {node.name}: its zero point must be an int8 zero"
            if scale is None or not np.all(np.isfinite(values := numpy_helper.to_array(scale)) & (values > 0)):
                yield f"{node.op_type} {node.name}: its scale must be positive and finite"
        if node.op_type == "DequantizeLinear":
            for user in users.get(node.output[0], ()):
                if user.name in graph.front_end or user.op_type not in LAYERS:
                    yield f"{user.op_type} {user.name}: must stay float32, but reads a quantised tensor"
        if node.op_type in LAYERS and node.name not in graph.front_end:
            read = [makers[name].op_type if name in makers else "float32" for name in node.input[:2]]
            if read != ["DequantizeLinear"] * 2:
                yield f"{node.op_type} {node.name}: must read quantised tensors, not {' and '.join(read)}"


def quantised_layers(model: onnx.ModelProto) -> list[str]:
    """Names of the layers that compute in INT8, in the graph's order."""
    dequantised = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    return [node.name for node in model.graph.node if node.op_type in LAYERS and node.input[0] in dequantised]


@contextmanager
def silent() -> Iterator[None]:
    """Hides the advice that onnxruntime's quantiser writes to the root logger, which is not for users."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(before)

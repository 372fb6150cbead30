"""INT8 for CPUs: all weights of the network are stored in 8 bits, and large layers compute in 8 bits, too.

onnxruntime computes a layer between Q/DQ pairs in integers: unsigned 8-bit activations and signed 8-bit weights per
channel, as AVX-512 VNNI and ARM's dot products multiply them. Convolutions with few channels and small dense layers
gain nothing from it, and LSTMs would take their ranges from each batch, so that an answer would depend on the other
windows in the batch. Their weights are int8 with a scale per channel, and become float32 once, when the file is loaded:
by a Cast and a Mul of constants, which onnxruntime folds (it would compute a DequantizeLinear again for each window).
"""

from collections.abc import Iterable, Iterator

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType

from speech_emotion.export.graph import STARTS, Graph, plain
from speech_emotion.export.quantise import calibrated

WEIGHTS = {"Conv": (1,), "Gemm": (1,), "MatMul": (0, 1), "LSTM": (1, 2)}  # operator -> inputs that may be weights
LEAST_CHANNELS = (
    8  # of a convolution's input, per group, from which integers were faster on the CPUs that were measured
)
LEAST_WEIGHTS = 1 << 14  # of a dense layer, for the same reason
SMALLEST = 64  # weights; for fewer, a scale is not worth it


def quantise_cpu(graph: Graph, windows: Iterable[np.ndarray]) -> onnx.ModelProto:
    """The graph for many windows with 8-bit weights; its front-end stays float32.

    Args:
        graph: as exported for many windows.
        windows: training speech, (window_samples,) each; the smallest and largest values set a layer's range.

    Raises:
        UserError: a layer computes in 8 bits but there are no windows.
    """
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    if layers := list(_integer_layers(graph)):
        model = calibrated(
            graph,
            windows,
            {STARTS: np.zeros(1, np.int64)},
            op_types_to_quantize=sorted({"Conv", "Gemm", "MatMul"}),
            nodes_to_quantize=layers,
            activation_type=QuantType.QUInt8,
            extra_options={"WeightSymmetric": True},
        )
    return plain(_small_weights(model, graph.front_end))


def weight_bytes(model: onnx.ModelProto, front_end: Iterable[str]) -> int:
    """Bytes in the file of all weights that can be quantised, with their scales and zero points.

    Args:
        model: an exported graph.
        front_end: names of the nodes that compute features, whose constants are not weights.
    """
    constants = {item.name: item for item in model.graph.initializer}
    found = set().union(*(origins for _, _, origins in _weighted(model, frozenset(front_end))))
    return sum(numpy_helper.to_array(constants[name]).nbytes for name in found)


def _weighted(
    model: onnx.ModelProto, front_end: frozenset[str]
) -> Iterator[tuple[onnx.NodeProto, int, frozenset[str]]]:
    """The network's nodes with weights: node, index of the input that holds them, initializers they come from."""
    made_of = {
        item.name: frozenset([item.name]) for item in model.graph.initializer
    }  # tensors computed only from constants
    for node in model.graph.node:  # makers come before users
        if node.name not in front_end:
            for place in WEIGHTS.get(node.op_type, ()):
                if origins := made_of.get(node.input[place]):
                    yield node, place, origins
        parts = [made_of.get(name) for name in node.input if name]
        if parts and None not in parts:
            made_of |= dict.fromkeys(node.output, frozenset().union(*parts))


def _integer_layers(graph: Graph) -> Iterator[str]:
    constants = {item.name: item for item in graph.model.graph.initializer}
    for node, place, _ in _weighted(graph.model, graph.front_end):
        weights = constants.get(node.input[place])
        if weights is None:
            continue
        if node.op_type == "Conv":
            if weights.dims[1] >= LEAST_CHANNELS:
                yield node.name
        elif node.op_type != "LSTM" and np.prod(weights.dims) >= LEAST_WEIGHTS:
            yield node.name


def _small_weights(model: onnx.ModelProto, front_end: frozenset[str]) -> onnx.ModelProto:
    """Stores the weights that are still float32 as int8 with a scale per channel."""
    constants = {item.name: item for item in model.graph.initializer}
    done: set[str] = set()
    before: list[onnx.NodeProto] = []
    for node, place, _ in list(_weighted(model, front_end)):
        name = node.input[place]
        if name not in constants or constants[name].data_type != TensorProto.FLOAT or name in done:
            continue
        values = numpy_helper.to_array(constants[name])
        if values.size < SMALLEST:
            continue
        done.add(name)
        scale = np.abs(values).max(axis=_within_channel(node, values), keepdims=True) / 127
        scale = np.where(scale > 0, scale, 1).astype(np.float32)
        small = np.clip(np.round(values / scale), -127, 127).astype(np.int8)
        model.graph.initializer.remove(constants[name])
        model.graph.initializer.append(numpy_helper.from_array(small, f"{name}_int8"))
        model.graph.initializer.append(numpy_helper.from_array(scale, f"{name}_scale"))
        before.append(
            helper.make_node("Cast", [f"{name}_int8"], [f"{name}_cast"], f"{name}/Cast", to=TensorProto.FLOAT)
        )
        before.append(helper.make_node("Mul", [f"{name}_cast", f"{name}_scale"], [name], f"{name}/Mul"))
    nodes = [*before, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def _within_channel(node: onnx.NodeProto, values: np.ndarray) -> tuple[int, ...]:
    """Axes of the weights within one output channel."""
    if node.op_type == "Conv":
        return tuple(range(1, values.ndim))
    if node.op_type == "LSTM":  # (directions, 4 units, inputs)
        return (2,)
    transposed = any(one.name == "transB" and one.i for one in node.attribute)
    return (1,) if node.op_type == "Gemm" and transposed else (values.ndim - 2,)

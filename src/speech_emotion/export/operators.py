"""Checks that TensorRT 8.5's parser can read a graph, node by node, by its own table of operators.

Source: onnx/onnx-tensorrt, branch 8.5-GA, docs/operators.md; kept as data in tensorrt-8.5-ops.json.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from speech_emotion.errors import UserError
from speech_emotion.export.graph import IR_VERSION

TABLE = "tensorrt-8.5-ops.json"

TYPE_NAMES = {
    TensorProto.FLOAT: "FP32",
    TensorProto.FLOAT16: "FP16",
    TensorProto.INT8: "INT8",
    TensorProto.INT32: "INT32",
    TensorProto.INT64: "INT32",  # the parser narrows it
    TensorProto.BOOL: "BOOL",
}

# Inputs that must be constants according to the table: operator -> (index, name).
CONSTANT_INPUTS = {
    "CumSum": ((1, "axis"),),
    "DequantizeLinear": ((1, "x_scale"), (2, "x_zero_point")),
    "InstanceNormalization": ((1, "scale"), (2, "B")),
    "QuantizeLinear": ((1, "y_scale"), (2, "y_zero_point")),
    "Slice": ((3, "axes"),),
    "Squeeze": ((1, "axes"),),
    "TopK": ((1, "K"),),
    "Unsqueeze": ((1, "axes"),),
}
PAIR = ("QuantizeLinear", "DequantizeLinear")
OUTPUT_AXIS = {"Conv": 0, "ConvTranspose": 1}  # of weights; for Gemm it depends on transB
INT32 = np.iinfo(np.int32)
CLAMPED = ("Slice",)  # an end beyond INT32 means up to the last element
RESIZE_COORDINATES = (
    "half_pixel",
    "pytorch_half_pixel",
    "tf_half_pixel_for_nn",
    "asymmetric",
    "align_corners",
)


@cache
def table() -> dict[str, Any]:
    """TensorRT's table: `opset_max` and, for each operator, `supported`, `types` and `restrictions`."""
    return json.loads(resources.files("speech_emotion.export").joinpath(TABLE).read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Inspected:
    """A node as TensorRT's parser reads it.

    Attributes:
        node: of the graph.
        faults: why TensorRT 8.5 refuses it; empty if it does not.
        kind: type of its first output as TensorRT names it, such as FP32; None if unknown.
        narrowed: an input or output is INT64, which becomes INT32.
    """

    node: onnx.NodeProto
    faults: tuple[str, ...]
    kind: str | None
    narrowed: bool

    @property
    def name(self) -> str:
        """Name of the node, or of its first output if it has none."""
        return self.node.name or self.node.output[0]


@dataclass(frozen=True)
class Inspection:
    """A graph as TensorRT's parser reads it.

    Attributes:
        faults: of the file as a whole.
        nodes: every node, in the graph's order.
    """

    faults: tuple[str, ...]
    nodes: tuple[Inspected, ...]

    def lines(self) -> Iterator[str]:
        """All faults, one line each."""
        yield from self.faults
        for one in self.nodes:
            for fault in one.faults:
                yield f"{one.node.op_type} {one.name}: {fault}"


def check_operators(model: onnx.ModelProto) -> dict[str, int]:
    """Counts the operators of a graph, after checking that the device can read it.

    Args:
        model: an ONNX graph.

    Returns:
        operator -> number of nodes.

    Raises:
        UserError: one line for each fault: file format, opset, domain, shape, operator, type or restriction.
    """
    if found := list(faults(model)):
        raise UserError("\n".join(found))
    return count_operators(model)


def count_operators(model: onnx.ModelProto) -> dict[str, int]:
    """operator -> number of nodes."""
    return dict(sorted(Counter(node.op_type for node in model.graph.node).items()))


def faults(model: onnx.ModelProto) -> Iterator[str]:
    """The faults for which TensorRT 8.5 refuses a graph, one line each."""
    yield from inspect(model).lines()


def inspect(model: onnx.ModelProto) -> Inspection:
    """Checks a graph and each of its nodes."""
    found = list(_of_the_file(model))
    try:
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        found.append(f"shapes: {str(error).splitlines()[0]}")
    return Inspection(tuple(found), tuple(_Checked(model.graph).inspected()))


def _of_the_file(model: onnx.ModelProto) -> Iterator[str]:
    if model.ir_version > IR_VERSION:
        yield f"ir_version = {model.ir_version}: must be at most {IR_VERSION}"
    for entry in model.opset_import:
        if entry.domain not in ("", "ai.onnx"):
            yield f"domain {entry.domain}: only ONNX's own operators can be read"
        elif entry.version > table()["opset_max"]:
            yield f"opset = {entry.version}: must be at most {table()['opset_max']}"
    for value in (*model.graph.input, *model.graph.output):
        shape = value.type.tensor_type.shape.dim
        if any(not dim.HasField("dim_value") for dim in shape):
            yield f"{value.name}: its shape is not fixed: export for one window"


class _Checked:
    """One graph with the types, makers and users of its tensors."""

    def __init__(self, graph: onnx.GraphProto):
        self.nodes = graph.node
        self.constants = {item.name: item for item in graph.initializer}
        for node in graph.node:
            if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
                self.constants[node.output[0]] = node.attribute[0].t
        self.types = {value.name: value.type.tensor_type for value in (*graph.input, *graph.value_info, *graph.output)}
        self.makers = {output: node for node in graph.node for output in node.output}
        self.users: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in node.input:
                self.users.setdefault(name, []).append(node)

    def inspected(self) -> Iterator[Inspected]:
        for node in self.nodes:
            narrowed = any(self._element(name) == TensorProto.INT64 for name in (*node.input, *node.output))
            yield Inspected(node, tuple(self._of(node)), self._type(node.output[0]), narrowed)

    def _of(self, node: onnx.NodeProto) -> Iterator[str]:
        entry = table()["operators"].get(node.op_type)
        if node.domain not in ("", "ai.onnx"):
            yield f"domain {node.domain}: only ONNX's own operators can be read"
            return
        if entry is None or not entry["supported"]:
            cure = "lower export.opset" if node.op_type == "LayerNormalization" else "build the layer from others"
            yield f"TensorRT 8.5 has no such operator: {cure}"
            return
        tensor = next(iter(node.input), "") or node.output[0]
        kind, element = self._type(tensor), self._element(tensor)
        if element is None:
            yield "the type of its input is unknown"
        elif kind is None or kind not in entry["types"]:
            yield f"type {kind or TensorProto.DataType.Name(element)}: must be one of {', '.join(entry['types'])}"
        if any(attribute.type in (attribute.GRAPH, attribute.GRAPHS) for attribute in node.attribute):
            yield "holds graphs of its own: export a classifier without branches and loops"
        for place, name in CONSTANT_INPUTS.get(node.op_type, ()):
            if place < len(node.input) and node.input[place] and node.input[place] not in self.constants:
                yield f"{name} must be an initializer"
        if node.op_type not in CLAMPED:
            yield from self._beyond_int32(node)
        check = getattr(self, f"_{node.op_type.lower()}", None)
        if check is not None:
            yield from check(node, {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute})

    def _beyond_int32(self, node: onnx.NodeProto) -> Iterator[str]:
        for name in node.input:
            if name in self.constants and self.constants[name].data_type == TensorProto.INT64:
                values = numpy_helper.to_array(self.constants[name])
                beyond = values[(values < INT32.min) | (values > INT32.max)]
                if beyond.size:
                    yield f"{name} holds {beyond.flat[0]}, which is beyond INT32: keep it smaller"

    def _element(self, tensor: str) -> int | None:
        """ONNX's number of a tensor's type; None if unknown."""
        if tensor in self.constants:
            return self.constants[tensor].data_type
        return (self.types[tensor].elem_type or None) if tensor in self.types else None

    def _type(self, tensor: str) -> str | None:
        return TYPE_NAMES.get(self._element(tensor))

    def _rank(self, tensor: str) -> int | None:
        if tensor in self.constants:
            return len(self.constants[tensor].dims)
        return len(self.types[tensor].shape.dim) if tensor in self.types else None

    def _averagepool(self, node: onnx.NodeProto, attributes: dict[str, Any]) -> Iterator[str]:
        if len(attributes.get("kernel_shape", ())) not in (2, 3):
            yield "2D or 3D pooling only"

    def _maxpool(self, node: onnx.NodeProto, attributes: dict[str, Any]) -> Iterator[str]:
        yield from self._averagepool(node, attributes)
        if len(node.output) > 1 and node.output[1]:
            yield "its output Indices is not supported"

    def _quantizelinear(self, node: onnx.NodeProto, attributes: dict[str, Any]) -> Iterator[str]:
        if len(node.input) < 3 or not node.input[2]:
            yield "has no zero point, which means UINT8: give an int8 zero"
        elif node.input[2] in self.constants:
            zero = numpy_helper.to_array(self.constants[node.input[2]])
            if zero.dtype != np.int8 or zero.any():
                yield "its zero point must be an int8 zero"
        yield from self._scales(node, attributes)
        if node.op_type == "QuantizeLinear":
            for user in self.users.get(node.output[0], ()):
                if user.op_type != "DequantizeLinear":
                    yield f"{user.op_type} {user.name} reads its INT8: only DequantizeLinear may"

    _dequantizelinear = _quantizelinear

    def _scales(self, node: onnx.NodeProto, attributes: dict[str, Any]) -> Iterator[str]:
        """Activations have one scale; weights have one, or one for each output channel."""
        if node.input[1] not in self.constants:
            return  # reported already
        scale = numpy_helper.to_array(self.constants[node.input[1]])
        if not (np.isfinite(scale) & (scale > 0)).all():
            yield "its scale must be positive and finite"
        if scale.size == 1 or node.op_type == "QuantizeLinear":
            return
        source = self.makers.get(node.input[0])
        if node.input[0] not in self.constants and (source is None or source.input[0] not in self.constants):
            yield "has several scales for an activation: use one"
            return
        for user in self.users.get(node.output[0], ()):
            axis = OUTPUT_AXIS.get(user.op_type)
            if user.op_type == "Gemm":
                axis = 0 if any(item.name == "transB" and item.i for item in user.attribute) else 1
            if axis is not None and attributes.get("axis", 1) != axis:
                yield f"its scales are along axis {attributes.get('axis', 1)} of the weights of {user.op_type} " + (
                    f"{user.name}: must be axis {axis}, its output channels"
                )

    def _lstm(self, node: onnx.NodeProto, attributes: dict[str, Any]) -> Iterator[str]:
        if attributes.get("input_forget", 0):
            yield "coupled input and forget gates are not supported"
        activations = attributes.get("activations", ())
        if attributes.get("direction", b"forward") == b"bidirectional" and activations:
            half = len(activations) // 2
            if activations[:half] != activations[half:]:
                yield "activations must be the same forwards and backwards"

    _gru = _rnn = _lstm

    def _instancenormalization(self, node: onnx.NodeProto, attributes: dict[str, Any]) -> Iterator[str]:
        if self._rank(node.input[0]) not in (3, 4, 5):
            yield "the rank of its input must be 3 to 5"

    def _einsum(self, node: onnx.NodeProto, attributes: dict[str, Any]) -> Iterator[str]:
        operands = attributes["equation"].decode().replace(" ", "").split("->")[0].split(",")
        if any("..." in operand for operand in operands):
            yield "ellipsis is not supported"
        if any(len(set(operand)) < len(operand) for operand in operands if "..." not in operand):
            yield "diagonals are not supported"

    def _resize(self, node: onnx.NodeProto, attributes: dict[str, Any]) -> Iterator[str]:
        if attributes.get("mode", b"nearest").decode() not in ("nearest", "linear"):
            yield "mode must be nearest or linear"
        if attributes.get("coordinate_transformation_mode", b"half_pixel").decode() not in RESIZE_COORDINATES:
            yield f"coordinate_transformation_mode must be one of {', '.join(RESIZE_COORDINATES)}"

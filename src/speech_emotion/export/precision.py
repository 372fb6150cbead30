"""The precision that is requested for each node of a graph, the one that TensorRT 8.5 uses, and the flags to pin it.

Four engines are built from two files. INT8 is only for convolutions and dense layers between Q/DQ pairs. The front-end
stays in FP32, since the power spectrum exceeds FP16's range of 6e-8 to 65504; so do means, roots, quotients and
exponentials. Recurrent layers support only FP16 and FP32; TensorRT's parser expands them into many unnamed layers,
which cannot be pinned. Nodes that are not pinned run in FP16 or FP32, whichever is faster, or pass INT8 on.

Names of layers: onnx-tensorrt, branch 8.5-GA, registers the layer of a node under the node's name. Flags: trtexec of
TensorRT 8.5, samples/common/sampleOptions.cpp (facts only).
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import onnx

from speech_emotion.errors import UserError
from speech_emotion.export.graph import FRONT_END
from speech_emotion.export.operators import PAIR, Inspected, inspect
from speech_emotion.export.operators import table as operator_table
from speech_emotion.export.quantise import LAYERS
from speech_emotion.reporting.rendering import render

PRECISIONS: dict[str, tuple[str, ...]] = {  # precision of an engine -> flags of trtexec
    "fp32": ("--noTF32",),
    "fp16": ("--fp16", "--noTF32"),
    "int8": ("--int8", "--fp16", "--noTF32"),
    "int8-calibrated": ("--int8", "--fp16", "--noTF32"),
}
FP32, FP16, INT8 = "FP32", "FP16", "INT8"
FLOATS = (FP32, FP16)
RECURRENT = ("LSTM", "GRU", "RNN")
WEIGHTED = (*LAYERS, "ConvTranspose", "MatMul")
SENSITIVE = (  # FP16's 11 bits of mantissa or its largest value of 65504 are not enough
    "Div", "Exp", "Log", "LogSoftmax", "Pow", "Reciprocal", "ReduceL2", "ReduceLogSumExp", "ReduceMean", "ReduceSum",
    "ReduceSumSquare", "Softmax", "Sqrt",
)  # fmt: skip
UNFIT = frozenset(",'\"*? \t")  # cannot be in a name in trtexec's list of layers


@dataclass(frozen=True)
class Row:
    """One node.

    Attributes:
        name: of the node.
        operator: of ONNX.
        asked: requested precision, FP32, FP16 or INT8; "" for integers, shapes and Q/DQ pairs.
        runs: precision that TensorRT 8.5 uses; "" if it refuses the node.
        pinned: whether its layer is pinned to the requested precision.
        remark: why it is refused or runs in another precision, or a note.
    """

    name: str
    operator: str
    asked: str
    runs: str
    pinned: bool
    remark: str

    @property
    def otherwise(self) -> bool:
        """Whether it runs in another precision than requested."""
        return bool(self.asked and self.runs and self.asked != self.runs)


@dataclass(frozen=True)
class Report:
    """How TensorRT 8.5 runs each node of a graph.

    Attributes:
        precision: of the engine, one of PRECISIONS.
        opset: of the default domain.
        ir_version: of the file format.
        faults: of the file as a whole; with any of them TensorRT refuses it.
        rows: every node, in the graph's order.
    """

    precision: str
    opset: int
    ir_version: int
    faults: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def refused(self) -> list[Row]:
        """The nodes that TensorRT refuses."""
        return [row for row in self.rows if not row.runs]

    @property
    def otherwise(self) -> list[Row]:
        """The nodes that run in another precision than requested."""
        return [row for row in self.rows if row.otherwise]

    @property
    def pinned(self) -> list[Row]:
        """The nodes whose layers are pinned to the requested precision."""
        return [row for row in self.rows if row.pinned]

    @property
    def sound(self) -> bool:
        """Whether TensorRT reads the whole graph."""
        return not self.faults and not self.refused

    def flags(self) -> tuple[str, ...]:
        """Flags for trtexec: precisions, and pins of layers.

        Raises:
            UserError: the name of a layer to be pinned has a character that trtexec cannot read.
        """
        pins = self.pinned
        for row in pins:
            if set(row.name) & UNFIT:
                raise UserError(
                    f"{row.operator} {row.name}: cannot be pinned: its name must not contain blanks or quotes"
                )
        flags = PRECISIONS[self.precision]
        if pins:
            flags += (f"--layerPrecisions={','.join(f'{row.name}:{row.asked.lower()}' for row in pins)}",)
        # a layer that computes in FP32 may otherwise output FP16
        if exact := [row.name for row in pins if row.asked == FP32]:
            flags += (f"--layerOutputTypes={','.join(f'{name}:fp32' for name in exact)}",)
        return flags

    def to_json(self) -> dict[str, Any]:
        """The report as plain values, for operators.json."""
        return {
            "precision": self.precision,
            "opset": self.opset,
            "ir_version": self.ir_version,
            "sound": self.sound,
            "faults": list(self.faults),
            "nodes": [asdict(row) for row in self.rows],
        }

    @property
    def kinds(self) -> dict[str, int]:
        """Precision -> number of nodes that run in it."""
        return dict(sorted(Counter(row.runs for row in self.rows if row.runs).items()))

    @property
    def alike(self) -> list[tuple[Row, list[str]]]:
        """Groups of nodes that differ only in their names: the first node of each, and all names."""
        groups: dict[tuple[str, ...], list[Row]] = {}
        for row in self.rows:
            groups.setdefault((row.operator, row.asked, row.runs, str(row.pinned), row.remark), []).append(row)
        return [(rows[0], [row.name for row in rows]) for _, rows in sorted(groups.items())]

    def markdown(self, title: str) -> str:
        """The report as Markdown under this title: refused nodes, nodes in another precision, all nodes in groups."""
        return render("engine.md.j2", title=title, report=self)


def report(model: onnx.ModelProto, precision: str | None = None) -> Report:
    """Reports how TensorRT 8.5 runs each node of a graph.

    Args:
        model: an ONNX graph.
        precision: of the engine, one of PRECISIONS; None is int8 if the graph holds Q/DQ pairs, else fp32.

    Raises:
        UserError: an engine of this precision cannot be built from the graph.
    """
    explicit = any(node.op_type in PAIR for node in model.graph.node)
    precision = precision or ("int8" if explicit else "fp32")
    if precision not in PRECISIONS:
        raise UserError(f"precision = {precision}: must be one of {', '.join(PRECISIONS)}")
    if explicit and precision != "int8":
        raise UserError(f"precision = {precision}: the graph holds Q/DQ pairs: must be int8")
    found = inspect(model)
    rows = _Rows(model.graph, precision)
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    return Report(precision, opset, model.ir_version, found.faults, tuple(map(rows.row, found.nodes)))


class _Rows:
    """Makes the row of each node."""

    def __init__(self, graph: onnx.GraphProto, precision: str):
        self._precision = precision
        self._dequantised = {node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}

    def row(self, one: Inspected) -> Row:
        node = one.node
        if one.faults:
            return Row(one.name, node.op_type, self._asked(one), "", False, "; ".join(one.faults))
        asked, runs = self._asked(one), self._runs(one)
        pinned = asked == runs and self._is_pinned(node.op_type, asked)
        remarks = list(self._remarks(one, asked, runs))
        if pinned and not node.name:
            remarks.append("has no name, so it cannot be pinned")
        return Row(one.name, node.op_type, asked, runs, pinned and bool(node.name), "; ".join(remarks))

    def _asked(self, one: Inspected) -> str:
        operator = one.node.op_type
        if operator in PAIR or one.kind not in FLOATS:
            return ""
        if self._precision == "fp32" or one.name.startswith(FRONT_END):
            return FP32
        if self._reads_int8(one) or self._is_to_be_int8(operator):
            return INT8
        return FP32 if operator in SENSITIVE else FP16

    def _is_to_be_int8(self, operator: str) -> bool:
        if self._precision == "int8-calibrated":
            return operator == "Conv"  # a dense layer becomes a product and an unnamed sum, for which no range is known
        return self._precision == "int8" and operator in LAYERS

    def _runs(self, one: Inspected) -> str:
        operator = one.node.op_type
        if operator in PAIR:
            return INT8
        if one.kind not in FLOATS:
            return one.kind or ""
        if self._precision == "fp32" or one.name.startswith(FRONT_END):
            return FP32
        if self._is_to_be_int8(operator) and (self._precision != "int8" or self._is_between_pairs(one.node)):
            return INT8
        if operator in SENSITIVE:
            return FP32
        return FP16 if FP16 in operator_table()["operators"][operator]["types"] else FP32

    def _is_between_pairs(self, node: onnx.NodeProto) -> bool:
        return all(name in self._dequantised for name in node.input[:2])

    def _reads_int8(self, one: Inspected) -> bool:
        return any(name in self._dequantised for name in one.node.input)

    def _is_pinned(self, operator: str, asked: str) -> bool:
        if self._precision == "fp32":
            return False  # the engine has no other precision
        return asked in (FP32, INT8) or (asked == FP16 and operator in WEIGHTED)

    def _remarks(self, one: Inspected, asked: str, runs: str) -> Iterator[str]:
        operator = one.node.op_type
        if asked == INT8 != runs and operator in LAYERS:
            yield "INT8 needs a Q/DQ pair before its input and one before its weights"
        elif asked == INT8 != runs:
            yield "its Q/DQ pair is only for convolutions and dense layers: remove it"
        elif asked != runs and asked:
            yield f"TensorRT 8.5 does not support {asked} for it"
        if one.name.startswith(FRONT_END) and asked:
            yield "front-end"
        if operator in RECURRENT:
            yield "recurrent: FP16 or FP32, never INT8; it becomes many unnamed layers, which cannot be pinned"
        if operator == "Gemm" and self._precision == "int8-calibrated" and not one.name.startswith(FRONT_END):
            yield "dense: INT8 needs a Q/DQ pair (engine int8)"
        if one.narrowed:
            yield "INT64 becomes INT32"
        if one.kind == "BOOL":
            yield "BOOL"

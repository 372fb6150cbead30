"""Which precision is asked for each node of a graph, what TensorRT 8.5 gives it, and the pins that say so.

Four engines are made of two files. INT8 is for convolutions and dense layers between Q/DQ pairs alone. The front-end
stays in FP32: the power spectrum reaches beyond FP16's 65504 and below its 6e-8. So do means, roots, quotients and
exponentials. Recurrent layers have FP16 and FP32 forms alone; TensorRT's parser makes many nameless layers of one, so
that no pin can name them. What is not pinned takes FP16 or FP32, whichever is quicker, or hands INT8 through.

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

PRECISIONS: dict[str, tuple[str, ...]] = {  # of engines -> flags of trtexec
    "fp32": ("--noTF32",),
    "fp16": ("--fp16", "--noTF32"),
    "int8": ("--int8", "--fp16", "--noTF32"),
    "int8-calibrated": ("--int8", "--fp16", "--noTF32"),
}
FP32, FP16, INT8 = "FP32", "FP16", "INT8"
FLOATS = (FP32, FP16)
RECURRENT = ("LSTM", "GRU", "RNN")
WEIGHTED = (*LAYERS, "ConvTranspose", "MatMul")
SENSITIVE = (  # FP16's 11 bits of mantissa and largest value of 65504 do not suffice
    "Div", "Exp", "Log", "LogSoftmax", "Pow", "Reciprocal", "ReduceL2", "ReduceLogSumExp", "ReduceMean", "ReduceSum",
    "ReduceSumSquare", "Softmax", "Sqrt",
)  # fmt: skip
UNFIT = frozenset(",'\"*? \t")  # cannot stand in trtexec's list of layers


@dataclass(frozen=True)
class Row:
    """One node.

    Attributes:
        name: of the node.
        operator: of ONNX.
        asked: FP32, FP16 or INT8; "" for integers, shapes and Q/DQ pairs, for which nothing is asked.
        runs: what TensorRT 8.5 gives it; "" where it refuses the node.
        pinned: its layer is pinned to what is asked.
        remark: why it is refused or runs otherwise, or what to know.
    """

    name: str
    operator: str
    asked: str
    runs: str
    pinned: bool
    remark: str

    @property
    def otherwise(self) -> bool:
        """It runs, but in another precision than asked."""
        return bool(self.asked and self.runs and self.asked != self.runs)


@dataclass(frozen=True)
class Report:
    """What TensorRT 8.5 makes of a graph.

    Attributes:
        precision: which engine is meant.
        opset: of the default domain.
        ir_version: of the file format.
        faults: of the file as a whole; each refuses it.
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
        """The nodes that run in another precision than asked."""
        return [row for row in self.rows if row.otherwise]

    @property
    def pinned(self) -> list[Row]:
        """The nodes whose layers are pinned to what is asked."""
        return [row for row in self.rows if row.pinned]

    @property
    def sound(self) -> bool:
        """TensorRT refuses nothing."""
        return not self.faults and not self.refused

    def flags(self) -> tuple[str, ...]:
        """Of trtexec, one an element: precisions, and the pin of each layer that has one.

        Raises:
            UserError: a layer to be pinned has a name that trtexec cannot read.
        """
        pins = self.pinned
        for row in pins:
            if set(row.name) & UNFIT:
                raise UserError(f"{row.operator} {row.name}: cannot be pinned: its name must hold no blank or quote")
        flags = PRECISIONS[self.precision]
        if pins:
            flags += (f"--layerPrecisions={','.join(f'{row.name}:{row.asked.lower()}' for row in pins)}",)
        # a layer that computes in FP32 may still hand its sums on as FP16
        if exact := [row.name for row in pins if row.asked == FP32]:
            flags += (f"--layerOutputTypes={','.join(f'{name}:fp32' for name in exact)}",)
        return flags

    def to_json(self) -> dict[str, Any]:
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
        """Precision -> how many nodes run in it, without those that are refused."""
        return dict(sorted(Counter(row.runs for row in self.rows if row.runs).items()))

    @property
    def alike(self) -> list[tuple[Row, list[str]]]:
        """Nodes that differ in nothing but their names: the first of each kind, with the names of all."""
        groups: dict[tuple[str, ...], list[Row]] = {}
        for row in self.rows:
            groups.setdefault((row.operator, row.asked, row.runs, str(row.pinned), row.remark), []).append(row)
        return [(rows[0], [row.name for row in rows]) for _, rows in sorted(groups.items())]

    def markdown(self, title: str) -> str:
        """The report for people: what is refused, what runs otherwise, then every node, alike ones in one row."""
        return render("engine.md.j2", title=title, report=self)


def report(model: onnx.ModelProto, precision: str | None = None) -> Report:
    """What TensorRT 8.5 makes of a graph.

    Args:
        precision: of the engine; None is int8 where the graph holds Q/DQ pairs, else fp32.

    Raises:
        UserError: the engine cannot be made of such a graph.
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
    """Decides node by node."""

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
            remarks.append("has no name by which it could be pinned")
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
            return operator == "Conv"  # a dense layer becomes a product and a nameless sum, for which no range is known
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
            return False  # the engine knows no other
        return asked in (FP32, INT8) or (asked == FP16 and operator in WEIGHTED)

    def _remarks(self, one: Inspected, asked: str, runs: str) -> Iterator[str]:
        operator = one.node.op_type
        if asked == INT8 != runs and operator in LAYERS:
            yield "INT8 needs a Q/DQ pair before its input and one before its weights"
        elif asked == INT8 != runs:
            yield "its Q/DQ pair is for convolutions and dense layers alone: take it away"
        elif asked != runs and asked:
            yield f"TensorRT 8.5 has no {asked} form of it"
        if one.name.startswith(FRONT_END) and asked:
            yield "front-end"
        if operator in RECURRENT:
            yield "recurrent: FP16 or FP32, never INT8; it becomes many nameless layers, which cannot be pinned"
        if operator == "Gemm" and self._precision == "int8-calibrated" and not one.name.startswith(FRONT_END):
            yield "dense: INT8 needs a Q/DQ pair (engine int8)"
        if one.narrowed:
            yield "INT64 becomes INT32"
        if one.kind == "BOOL":
            yield "BOOL"

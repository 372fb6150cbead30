"""Writes TensorRT's calibration cache, for building an INT8 engine from the FP32 file by implicit quantisation.

The cache is text: a line with TensorRT's version and algorithm, then lines `tensor: scale`, with the scale as the eight
hexadecimal digits of a big-endian float32. A tensor's scale is its largest absolute value over the calibration windows,
divided by 127. A layer runs in INT8 if its input and output tensors have scales: here those of convolutions and dense
layers, and of the activations that are fused with them.
"""

import struct
from collections.abc import Iterable, Mapping

import numpy as np
import onnx

from speech_emotion.errors import UserError
from speech_emotion.export.graph import INPUT, Graph, serialise, session
from speech_emotion.export.quantise import LAYERS

HEADER = "TRT-8502-EntropyCalibration2"  # TensorRT 8.5.2; the algorithm whose caches trtexec reads
LARGEST = 127.0  # of INT8, symmetric
FUSED = ("Clip", "LeakyRelu", "Relu")


def calibration_cache(graph: Graph, windows: Iterable[np.ndarray]) -> str:
    """The calibration cache of an exported graph, as text.

    Args:
        graph: as exported, in FP32.
        windows: training speech, (window_samples,) each: the same windows that the INT8 file is calibrated on.

    Raises:
        UserError: there are no windows, or a tensor is not finite.
    """
    lines = [HEADER]
    for tensor, largest in ranges(graph, windows).items():
        # a tensor that is always zero is exact with any scale
        scale = (largest or LARGEST) / LARGEST
        lines.append(f"{tensor}: {struct.pack('>f', scale).hex()}")
    return "\n".join(lines) + "\n"


def parse(text: str) -> dict[str, float]:
    """Reads a cache: tensor -> scale.

    Args:
        text: as `calibration_cache` returns it.

    Raises:
        UserError: the text is damaged.
    """
    header, *lines = text.splitlines() or [""]
    try:
        if header != HEADER:
            raise ValueError(f"begins with {header[:40]!r}, not with {HEADER}")
        pairs = (line.rsplit(": ", 1) for line in lines)
        return {tensor: struct.unpack(">f", bytes.fromhex(digits))[0] for tensor, digits in pairs}
    except (ValueError, struct.error) as error:
        raise UserError(f"calibration cache: is damaged ({error}): run the export step again") from None


def ranges(graph: Graph, windows: Iterable[np.ndarray]) -> dict[str, float]:
    """Largest absolute value of each tensor before and after the network's layers, in the graph's order.

    Args:
        graph: as exported, in FP32.
        windows: training speech, (window_samples,) each.

    Returns:
        tensor -> largest absolute value over the windows.

    Raises:
        UserError: there are no windows, or a tensor is not finite.
    """
    names = _around_layers(graph)
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    known = {value.name for value in model.graph.output}
    model.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names if name not in known
    )
    largest: Mapping[str, float] = dict.fromkeys(names, -1.0)
    with session(serialise(model)) as running:
        for window in windows:
            values = running.run(names, {INPUT: np.ascontiguousarray(window, dtype=np.float32)[np.newaxis]})
            largest = {
                name: float(np.maximum(np.abs(value).max(), largest[name]))
                for name, value in zip(names, values, strict=True)
            }
    if names and largest[names[0]] < 0:
        raise UserError("calibration windows = 0: a cache needs training speech: run the preprocess step")
    for name, value in largest.items():
        if not np.isfinite(value):
            raise UserError(f"{name}: is not finite on training speech: check the trained weights")
    return dict(largest)


def _around_layers(graph: Graph) -> list[str]:
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.model.graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    found: dict[str, None] = {}
    for node in graph.model.graph.node:
        if node.op_type not in LAYERS or node.name in graph.front_end:
            continue
        tensor = node.output[0]
        found |= dict.fromkeys((node.input[0], tensor))
        while len(after := users.get(tensor, ())) == 1 and after[0].op_type in FUSED:
            tensor = after[0].output[0]
            found[tensor] = None
    return list(found)

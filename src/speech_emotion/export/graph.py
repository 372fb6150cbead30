"""Exports a trained classifier as one ONNX graph, with standard operators and the same bytes each time."""

import io
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
import onnxruntime as ort
import torch
from google.protobuf.message import DecodeError
from torch import nn

from speech_emotion.errors import UserError

INPUT = "waveform"
STARTS = "starts"  # of windows, in frames: the second input of a graph that takes many windows
OUTPUT = "probabilities"
FRONT_END = "/front-end"  # prefix of the names of nodes that compute features, in the file and in the device's engine
REFUSALS = (
    torch.onnx.errors.OnnxExporterError,
    onnx.checker.ValidationError,
    onnx.shape_inference.InferenceError,
)
IR_VERSION = 8  # the newest that TensorRT 8.5's parser (ONNX 1.12) reads


@dataclass(frozen=True)
class Graph:
    """An exported classifier.

    Attributes:
        model: (1, window_samples) float32 `waveform` -> (1, classes) float32 `probabilities`; for many windows
            (1, samples) float32 and (windows,) int64 `starts` -> (windows, classes).
        front_end: names of the nodes that compute features, before the network.
    """

    model: onnx.ModelProto
    front_end: frozenset[str]


class _Probed(nn.Module):
    """Returns the front-ends' outputs along with the probabilities, to find where features end in the graph."""

    def __init__(self, classifier: nn.Module, front_end: type[nn.Module]):
        super().__init__()
        self.classifier = classifier
        self.modules_before = [module for module in classifier.modules() if isinstance(module, front_end)]

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        seen: list[torch.Tensor] = []

        def see(_module: nn.Module, _inputs: tuple, output: torch.Tensor | Mapping[str, torch.Tensor]) -> None:
            seen.extend(output.values() if isinstance(output, Mapping) else [output])

        hooks = [module.register_forward_hook(see) for module in self.modules_before]
        try:
            probabilities = self.classifier(*inputs)
        finally:
            for hook in hooks:
                hook.remove()
        return probabilities, *seen


def export_graph(
    classifier: nn.Module, window_samples: int, opset: int, front_end: type[nn.Module], many: bool = False
) -> Graph:
    """Exports a trained classifier.

    Args:
        classifier: (1, window_samples) -> (1, classes) probabilities; put into evaluation mode.
        window_samples: samples of one window.
        opset: of the default domain, 13 to 17.
        front_end: class of the modules that compute features inside the classifier.
        many: the classifier takes waveforms of any length, and as second input the starts of any number of windows.

    Raises:
        UserError: the exporter or ONNX's checker refuses the classifier.
    """
    classifier.eval()
    examples: tuple[torch.Tensor, ...] = (torch.zeros(1, window_samples),)
    names, free = [INPUT], None
    if many:
        examples = (
            torch.zeros(1, 2 * window_samples),
            torch.zeros(3, dtype=torch.int64),
        )  # a size of 1 would become a constant
        names, free = [INPUT, STARTS], {INPUT: {1: "samples"}, STARTS: {0: "windows"}}
    buffer = io.BytesIO()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # about a varying batch size, which is fixed here
            # The TorchScript exporter writes opset 13 and LSTM operators; the newer one starts at opset 18.
            torch.onnx.export(
                _Probed(classifier, front_end),
                examples,
                buffer,
                input_names=names,
                dynamic_axes=free,
                opset_version=opset,
                dynamo=False,
            )
        model = _folded(buffer.getvalue())
        front_end_nodes = _split(model)
        if many:
            model.graph.output[0].type.tensor_type.shape.dim[0].dim_param = "windows"
        model = plain(model)
        onnx.checker.check_model(model, full_check=True)
    except REFUSALS as error:
        raise UserError(
            f"{type(classifier).__name__} = cannot be exported with opset {opset}: {_first_line(error)}: "
            "use layers that the exporter knows"
        ) from None
    return Graph(model, front_end_nodes)


def _folded(model: bytes) -> onnx.ModelProto:
    """Folds constants and removes redundant nodes, by rewrites that use only standard operators."""
    with TemporaryDirectory() as folder:
        options = session_options()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(Path(folder) / "folded.onnx")
        ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        model = onnx.load(options.optimized_model_filepath)
    taken: set[str] = set()
    for place, node in enumerate(model.graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}_{place}"
        taken.add(node.name)
    return model


def _split(model: onnx.ModelProto) -> frozenset[str]:
    """Removes the probes from the outputs; gives the nodes before them the prefix FRONT_END; returns their names."""
    probabilities, *probes = model.graph.output
    before = _upstream(model, (probe.name for probe in probes))
    for probe in probes:
        model.graph.output.remove(probe)
    if probabilities.name != OUTPUT:
        rename(model, probabilities.name, OUTPUT)
    for node in model.graph.node:
        if node.name in before:
            node.name = f"{FRONT_END}/{node.name.removeprefix('/')}"
    return frozenset(f"{FRONT_END}/{name.removeprefix('/')}" for name in before)


def _upstream(model: onnx.ModelProto, tensors: Iterable[str]) -> frozenset[str]:
    maker = {output: node for node in model.graph.node for output in node.output}
    waiting, found = list(tensors), {}
    while waiting:
        node = maker.get(waiting.pop())
        if node is not None and node.name not in found:
            found[node.name] = node
            waiting.extend(node.input)
    return frozenset(found)


def rename(model: onnx.ModelProto, old: str, new: str) -> None:
    """Renames a tensor from `old` to `new` everywhere in the graph."""
    for node in model.graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        if value.name == old:
            value.name = new


def plain(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with inferred shapes, and without unused domains and metadata of its producer."""
    default = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    needed = {node.domain for node in model.graph.node} - {"", "ai.onnx"}
    kept = [entry for entry in model.opset_import if entry.domain in needed]
    del model.opset_import[:]
    model.opset_import.append(onnx.helper.make_opsetid("", default))
    model.opset_import.extend(kept)
    model.ir_version = IR_VERSION
    model.producer_name = model.producer_version = model.domain = model.doc_string = ""
    model.model_version = 0
    del model.metadata_props[:]
    del model.functions[:]
    model.graph.name = "classifier"
    model.graph.doc_string = ""
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    del model.graph.value_info[:]
    return onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)


def serialise(model: onnx.ModelProto) -> bytes:
    """The model's bytes; equal models give equal bytes."""
    return model.SerializeToString(deterministic=True)


def read_graph(path: Path) -> onnx.ModelProto:
    """Reads an ONNX file; raises UserError if it is absent or not an ONNX file."""
    try:
        model = onnx.load(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}): name an ONNX file") from None
    except DecodeError:
        raise UserError(f"{path}: is not an ONNX file: name one, such as artifacts/export/int8.onnx") from None
    if not model.graph.node:
        raise UserError(f"{path}: holds no graph: name an ONNX file, such as artifacts/export/int8.onnx")
    return model


def session_options() -> ort.SessionOptions:
    """Options of onnxruntime: one thread, so that sums do not depend on the number of cores; only errors are logged."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options


@contextmanager
def session(model: bytes | Path) -> Iterator[ort.InferenceSession]:
    """An onnxruntime session on the CPU with one thread; `model` is the content or the path of an ONNX file."""
    source = model if isinstance(model, bytes) else str(model)
    yield ort.InferenceSession(source, session_options(), providers=["CPUExecutionProvider"])


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]

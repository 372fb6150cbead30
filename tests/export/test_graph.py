import onnx
import pytest
import torch
from torch import nn

from speech_emotion.errors import UserError
from speech_emotion.export.graph import INPUT, OUTPUT, export_graph, rename, serialise
from speech_emotion.features.frontend import FrontEnd


def shape(value):
    return [dim.dim_value for dim in value.type.tensor_type.shape.dim]


@pytest.mark.parametrize("opset", [13, 17])
def test_the_device_can_read_the_graph(classifier, opset):
    model = export_graph(classifier, classifier.samples, opset, FrontEnd).model
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", opset)]
    assert model.ir_version <= 8
    assert [(value.name, shape(value)) for value in model.graph.input] == [(INPUT, [1, classifier.samples])]
    assert [(value.name, shape(value)) for value in model.graph.output] == [(OUTPUT, [1, classifier.classes])]
    assert {node.domain for node in model.graph.node} == {""}


def test_recurrent_layers_become_the_lstm_operator(graph):
    operators = [node.op_type for node in graph.model.graph.node]
    assert operators.count("LSTM") == 2
    assert not {"Loop", "Scan", "If", "Shape", "Expand", "BatchNormalization"} & set(operators)


def test_two_exports_are_the_same_to_the_byte(make_classifier):
    one = serialise(export_graph(make_classifier(), make_classifier.samples, 13, FrontEnd).model)
    assert serialise(export_graph(make_classifier(), make_classifier.samples, 13, FrontEnd).model) == one
    assert serialise(export_graph(make_classifier(seed=1), make_classifier.samples, 13, FrontEnd).model) != one


def test_graph_has_no_traces_of_where_it_was_made(graph):
    model = graph.model
    assert (model.producer_name, model.producer_version, model.doc_string, len(model.metadata_props)) == (
        "",
        "",
        "",
        0,
    )
    assert b"/src/" not in serialise(model)
    assert b".py" not in serialise(model)


def test_front_end_holds_everything_before_the_features_and_nothing_after(graph):
    inside = [node for node in graph.model.graph.node if node.name in graph.front_end]
    outside = [node for node in graph.model.graph.node if node.name not in graph.front_end]
    assert {"Conv", "Log", "MatMul"} <= {node.op_type for node in inside}
    assert sum(node.op_type == "Conv" for node in outside) == 1
    assert {"LSTM", "Gemm", "Softmax"} <= {node.op_type for node in outside}
    assert not {"LSTM", "Gemm", "Softmax"} & {node.op_type for node in inside}
    names = [node.name for node in graph.model.graph.node]
    assert len(set(names)) == len(names)


def test_hooks_are_removed_after_the_export(classifier, graph):
    assert not any(module._forward_hooks for module in classifier.modules())


def test_layer_without_an_operator_is_refused():
    class Eigen(nn.Module):
        def forward(self, waveform):
            return torch.linalg.eigvalsh(waveform.reshape(8, 8))[None]

    with pytest.raises(UserError, match=r"Eigen = cannot be exported with opset 13: .*use layers"):
        export_graph(Eigen(), 64, 13, FrontEnd)


def test_rename_changes_makers_and_users(graph):
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    rename(model, INPUT, "samples")
    assert model.graph.input[0].name == "samples"
    assert all(INPUT not in node.input for node in model.graph.node)
    onnx.checker.check_model(model, full_check=True)

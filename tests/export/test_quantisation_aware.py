"""Fine-tuning rounds the same layers as the INT8 file, in the same way."""

import numpy as np
import onnxruntime as ort
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from made_up_networks import NETWORKS, feature_batch, make_network, noise_windows
from speech_emotion.errors import UserError
from speech_emotion.export.check import trained_probabilities
from speech_emotion.export.classifier import WindowClassifier
from speech_emotion.export.files import FP32, INT8
from speech_emotion.export.fine_tune import with_network
from speech_emotion.export.forms import exported_models
from speech_emotion.export.graph import INPUT, OUTPUT, serialise, session_options
from speech_emotion.export.prune_fitting import smaller
from speech_emotion.export.quantisation_aware import (
    RoundedWeights,
    observed,
    plain,
    quantisation_aware,
    quantised_modules,
    rounded_inputs,
)
from speech_emotion.export.quantise import quantised_layers
from speech_emotion.learning.network import Network

NETWORK = "/classifier/network/"  # prefix of its nodes' names in a graph


def aware_of(system, windows):
    """The network with rounding; its ranges come from windows of speech."""
    with observed(system.network) as ranges:
        trained_probabilities(WindowClassifier(system), windows)
    return quantisation_aware(system.network, ranges)


def module_of(node):
    """The module of a node: NETWORK + "streams.0/project/project.0/Gemm" is of streams.0.project.0."""
    *parts, _ = node.removeprefix(NETWORK).removesuffix("/MatMulAddFusion").split("/")
    follows = [*parts[1:], ""]  # the name of a list's member begins with the name of the list
    return ".".join(part for part, after in zip(parts, follows, strict=True) if after.rpartition(".")[0] != part)


def steps_of_inputs(model):
    """Layer -> step of its quantised input in the file."""
    constants = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    makers = {output: node for node in model.graph.node for output in node.output}
    layers = quantised_layers(model)
    return {
        module_of(node.name): float(constants[makers[node.input[0]].input[1]])
        for node in model.graph.node
        if node.name in layers
    }


def literal_probabilities(model, windows):
    """Runs the file without onnxruntime's optimiser, which moves pairs past poolings and so rounds differently."""
    options = session_options()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    running = ort.InferenceSession(serialise(model), options, providers=["CPUExecutionProvider"])
    return np.concatenate([running.run([OUTPUT], {INPUT: window[np.newaxis]})[0] for window in windows])


@pytest.mark.parametrize("id", NETWORKS)
def test_layers_rounded_in_training_are_those_of_the_int8_file_with_the_same_output(id):
    system = make_network(id)
    windows = noise_windows(system, 8)
    graphs = exported_models(system, 13, windows)
    network = aware_of(system, windows)
    assert all(node.startswith(NETWORK) for node in quantised_layers(graphs[INT8].model))
    steps = {name: float(module.input_step) for name, module in quantised_modules(network).items()}
    assert steps == pytest.approx(steps_of_inputs(graphs[INT8].model), rel=1e-4)  # the same layers, the same steps
    said = trained_probabilities(WindowClassifier(with_network(system, network)), windows)
    fp32, int8 = (literal_probabilities(graphs[name].model, windows) for name in (FP32, INT8))
    rounding, left = (np.sqrt(np.square(one - int8).mean()) for one in (fp32, said))
    # sums in another order put some values on a neighbouring step; independent noise would leave 1.4
    assert rounding > 0 and left < 0.4 * rounding


def test_values_are_rounded_to_int8_steps():
    steps = torch.tensor([-300.0, -128.0, -127.6, -0.5, 0.5, 1.5, 2.5, 126.6, 127.0, 128.0])
    on = rounded_inputs(0.25 * steps, torch.tensor(0.25)) / 0.25
    assert on.tolist() == [-128, -128, -128, 0, 0, 2, 2, 127, 127, 127]  # halves to the even step, as in ONNX


def test_each_channel_has_its_own_step_and_its_largest_weight_is_unchanged():
    weights = torch.tensor([[1.0, -0.4, 0.003], [0.0, 0.0, 0.0], [-1e-3, 5e-4, 2e-6]])
    found = RoundedWeights()(weights)
    assert found[:, 0].tolist() == pytest.approx([1.0, 0.0, -1e-3])
    assert found[0].tolist() == pytest.approx([127 / 127, -51 / 127, 0])
    assert ((found - weights).abs().amax(dim=1) <= weights.abs().amax(dim=1) / 254).all()
    convolution = weights[:, :, None, None].expand(3, 3, 2, 2)
    assert torch.equal(RoundedWeights()(convolution)[..., 0, 0], found)


def test_gradients_pass_the_rounding_but_not_the_clipping():
    values = torch.tensor([-40.0, -3.3, 0.4, 40.0], requires_grad=True)
    rounded_inputs(values, torch.tensor(0.25)).backward(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert values.grad.tolist() == [0, 2, 3, 0]


def test_every_weight_has_a_gradient_including_the_largest_of_a_channel():
    weights = torch.randn(64, 9, generator=torch.Generator().manual_seed(0)).requires_grad_()
    RoundedWeights()(weights).sum().backward()
    torch.testing.assert_close(weights.grad, torch.ones(64, 9))


@pytest.mark.parametrize("id", NETWORKS)
def test_fine_tuning_changes_every_weight_and_returns_a_plain_network(id):
    system = make_network(id)
    aware = aware_of(system, noise_windows(system, 2)).train()
    before = dict(system.network.state_dict())
    optimiser = torch.optim.SGD(aware.parameters(), 0.1)
    aware.loss(feature_batch(system), targets=torch.tensor([0, 1, 2])).backward()
    optimiser.step()
    after = plain(aware, system.network)
    assert type(after) is type(system.network)
    state = after.state_dict()
    assert {name: one.shape for name, one in state.items()} == {name: one.shape for name, one in before.items()}
    for name, module in quantised_modules(after).items():
        assert not torch.equal(state[f"{name}.weight"], before[f"{name}.weight"]), name
        assert type(module) in (nn.Conv2d, nn.Linear) and not module._forward_pre_hooks
    assert all(torch.equal(one, before[name]) for name, one in system.network.state_dict().items())


class TwoLayers(Network):
    """Classifies the sign of one number; one of its hidden values is far larger than those that matter."""

    def __init__(self):
        super().__init__()
        self.hidden, self.dense = nn.Linear(1, 3), nn.Linear(3, 2)
        with torch.no_grad():
            self.hidden.weight.copy_(torch.tensor([[0.5], [-0.5], [0.0]]))
            self.hidden.bias.copy_(torch.tensor([0.0, 0.0, 500.0]))
            self.dense.weight.copy_(torch.tensor([[-4.0, 4.0, 0.0], [4.0, -4.0, 0.0]]))
            self.dense.bias.zero_()

    def forward(self, features):
        return self.dense(torch.relu(self.hidden(features["x"])))


def test_fine_tuning_recovers_what_rounding_loses():
    network = TwoLayers()
    x = torch.linspace(-1, 1, 64)[:, None]
    targets = (x[:, 0] > 0).long()
    with observed(network) as ranges:
        assert network({"x": x}).argmax(dim=1).eq(targets).all()
    aware = quantisation_aware(network, ranges)
    assert aware({"x": x}).abs().amax() < 1e-6  # steps of 500 / 127: all that matters is rounded to 0
    optimiser = torch.optim.Adam(aware.parameters(), lr=0.05)
    for _ in range(200):
        optimiser.zero_grad()
        aware.loss({"x": x}, targets=targets).backward()
        optimiser.step()
    after = quantisation_aware(plain(aware, network), ranges)
    assert after({"x": x}).argmax(dim=1).eq(targets).float().mean() > 0.9


def test_pruned_network_is_rounded_like_any_other():
    system = smaller(make_network("t1"), 0.5)
    windows = noise_windows(system, 2)
    said, exact = (
        trained_probabilities(WindowClassifier(one), windows)
        for one in (with_network(system, aware_of(system, windows)), system)
    )
    assert 0 < np.abs(said - exact).max() < 0.05


def test_rounding_copies_and_averages_like_any_network():
    system = make_network("t1")
    aware = aware_of(system, noise_windows(system, 2))
    average = torch.optim.swa_utils.AveragedModel(aware, use_buffers=True)
    average.update_parameters(aware)
    average.module.eval()
    batch = feature_batch(system)
    assert torch.equal(average.module(batch), aware.eval()(batch))


def test_layers_that_were_not_observed_are_refused():
    network = make_network("k2").network
    with pytest.raises(UserError, match=r"export\.qat: layer dense: has no input on training speech"):
        quantisation_aware(network, {})
    with pytest.raises(UserError, match=r"layer dense: is not finite on training speech: check the trained weights"):
        quantisation_aware(network, {"dense": torch.tensor(torch.nan)})
    with pytest.raises(UserError, match=r"Sequential has no layer that computes in INT8: set enabled: false"):
        quantisation_aware(nn.Sequential(nn.ReLU()), {})

"""Filters and units are removed with all that depends on them, and nothing else changes."""

import numpy as np
import pytest
import torch
from torch import nn

from made_up_networks import LABELS, feature_batch, make_network, noise_windows
from speech_emotion.errors import UserError
from speech_emotion.export.check import exported_probabilities, trained_probabilities
from speech_emotion.export.files import FP32, INT8, INT8_CPU
from speech_emotion.export.forms import exported_models
from speech_emotion.export.graph import serialise
from speech_emotion.export.prune import BLOCK, STRUCTURES, _remove, pruned
from speech_emotion.export.prune_fitting import smaller
from speech_emotion.export.quantise import quantised_layers

DEPLOYABLE = ("t1", "w1")


def silence(link, outputs: list[int]) -> None:
    """Makes outputs of a layer 0 for any input."""
    with torch.no_grad():
        link.layer.weight[outputs] = 0
        if link.layer.bias is not None:
            link.layer.bias[outputs] = 0
        if isinstance(link.norm, nn.BatchNorm2d):
            link.norm.bias[outputs] = 0
            link.norm.running_mean[outputs] = 0


@pytest.mark.parametrize("id", DEPLOYABLE)
def test_removing_filters_of_zeros_does_not_change_the_answer(id):
    network, removed = make_network(id).network, 0
    for link in STRUCTURES[type(network)](network):
        if not isinstance(link.norm, nn.LayerNorm):  # its mean and deviation would be of fewer values
            silence(link, list(range(1, len(link.layer.weight), 2)))
            before, outputs = network(feature_batch(make_network(id))), len(link.layer.weight)
            _remove(link, 0.5)
            np.testing.assert_allclose(network(feature_batch(make_network(id))).detach(), before.detach(), atol=1e-5)
            removed += outputs - len(link.layer.weight)
    assert removed == {"t1": 2 * (8 + 16 + 24 + 64 + 16), "w1": 16 + 32 + 64 + 32}[id]


def test_values_of_a_removed_filter_are_removed_from_the_layer_normalisation():
    network = make_network("w1").network
    link = next(one for one in STRUCTURES[type(network)](network) if isinstance(one.norm, nn.LayerNorm))
    values = torch.arange(64).repeat_interleave(
        link.norm.normalized_shape[0] // 64
    )  # each value is its filter's number
    link.norm.weight.data.copy_(values)
    link.reader.weight.data[:, : len(values)] = values.float()
    silence(link, list(range(0, 64, 2)))
    _remove(link, 0.5)
    assert link.norm.weight.unique().long().tolist() == list(range(1, 64, 2))
    assert link.norm.weight.long().tolist() == link.reader.weight[0, : len(link.norm.weight)].long().tolist()
    assert link.norm.normalized_shape == (len(values) // 2,)


@pytest.mark.parametrize("id", DEPLOYABLE)
@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_each_layer_keeps_blocks_of_its_largest_filters(id, share):
    network = make_network(id).network
    links = list(STRUCTURES[type(network)](network))
    after = pruned(network, share)
    first = links[0].layer
    norms = first.weight.detach().abs().flatten(1).sum(dim=1)
    kept = next(STRUCTURES[type(network)](after)).layer.weight
    count = max(BLOCK, BLOCK * round((1 - share) * len(norms) / BLOCK))
    expected = first.weight[norms.topk(count).indices.sort().values]
    assert torch.equal(kept, expected)
    for before, now in zip(links, STRUCTURES[type(network)](after), strict=True):
        assert len(now.layer.weight) == max(BLOCK, BLOCK * round((1 - share) * len(before.layer.weight) / BLOCK))
    assert network(feature_batch(make_network(id))).shape == after(feature_batch(make_network(id))).shape
    assert (
        sum(map(torch.numel, network.parameters())) == make_network(id).parameter_count()
    )  # the network itself is unchanged


@pytest.mark.parametrize("changed", [{"lstm_output": "sequence"}, {"window_frames": 64}])
def test_other_forms_of_w1_are_pruned_too(changed):
    system = make_network("w1", **changed)
    assert pruned(system.network, 0.5)(feature_batch(system)).shape == (3, len(LABELS))


def test_pruned_t1_can_be_trained():
    system = make_network("t1")
    network = pruned(system.network, 0.5).train()
    network.loss(feature_batch(system), targets=torch.tensor([0, 1, 2])).backward()
    assert all(one.grad is not None and one.grad.shape == one.shape for one in network.parameters())
    assert {id(one) for one in network.parameters()}.isdisjoint(id(one) for one in system.network.parameters())


@pytest.mark.parametrize("id", DEPLOYABLE)
def test_pruned_network_is_exported_like_any_other(id):
    whole = make_network(id)
    cut = smaller(whole, 0.5)
    windows = noise_windows(whole, 6)
    graphs = exported_models(cut, 13, windows)
    trained = trained_probabilities(cut.waveform_classifier(), windows)
    for name, most in ((FP32, 1e-4), (INT8_CPU, 0.1), (INT8, 0.1)):
        said = exported_probabilities(serialise(graphs[name].model), windows)
        assert np.abs(said - trained).max() < most, name
    assert len(quantised_layers(graphs[INT8].model)) == len(
        quantised_layers(exported_models(whole, 13, windows)[INT8].model)
    )
    assert cut.parameter_count() < 0.6 * whole.parameter_count()


def test_networks_that_cannot_be_pruned_are_refused_with_the_cure():
    with pytest.raises(UserError, match=r"export\.prune\.share = 0\.3: WindowRNN is recurrent, or .*: set it to 0"):
        pruned(make_network("k2").network, 0.3)
    with pytest.raises(UserError, match=r"export\.prune\.share = 0\.01: removes nothing.*multiples of 8: raise it"):
        pruned(make_network("t1").network, 0.01)

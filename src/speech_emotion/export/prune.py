"""Structured pruning: removes whole filters of convolutions and units of dense layers, with all that depends on them.

The result is a smaller dense network of the same class, which is exported like any other. Each layer loses the same
share of filters, those whose weights have the smallest L1 norm; weights of removed inputs do not count (Li et al. 2017,
"Pruning Filters for Efficient ConvNets", section 3, the greedy form). Recurrent units, attention and the output layer
are not pruned.

A general tool (Torch-Pruning 1.6) can prune W1, but removes the wrong inputs in T1, which transposes its image before
it flattens it. The links between layers are therefore written down here for each network.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from speech_emotion.errors import UserError
from speech_emotion.learning.network import Network
from speech_emotion.systems.cl import CL
from speech_emotion.systems.cnn_lstm_attention import CnnLstmAttention

BLOCK = 8  # channels that CPUs and TensorRT multiply at once: fewer take as long


@dataclass(frozen=True)
class Link:
    """A layer whose outputs can be removed, and the layer that reads them.

    Attributes:
        layer: Conv2d or Linear.
        norm: BatchNorm2d over its outputs, or LayerNorm over the `places`; None for neither.
        reader: the next layer with weights: Conv2d, Linear, or LSTM.
        places: (outputs, n), indices of the reader's inputs that hold each output.
    """

    layer: nn.Module
    norm: nn.Module | None
    reader: nn.Module
    places: Tensor


def pruned(network: Network, share: float) -> Network:
    """A copy of the network with filters and units removed.

    Args:
        network: of a class in STRUCTURES.
        share: of each layer's filters and units to remove, 0 to 1; a multiple of BLOCK remains.

    Raises:
        UserError: the class is not in STRUCTURES, or the share is too small to remove anything.
    """
    links = STRUCTURES.get(type(network))
    if links is None:
        raise UserError(
            f"export.prune.share = {share:g}: {type(network).__name__} is recurrent, or of a kind that export/prune.py "
            "does not know: set it to 0"
        )
    smaller = copy.deepcopy(network)
    before = _size(smaller)
    with torch.no_grad():
        for link in links(smaller):
            _remove(link, share)
    if _size(smaller) == before:
        raise UserError(
            f"export.prune.share = {share:g}: removes nothing, since layers keep multiples of {BLOCK}: raise it"
        )
    return smaller


def _remove(link: Link, share: float) -> None:
    norms = link.layer.weight.abs().flatten(1).sum(dim=1)
    count = max(BLOCK, BLOCK * round((1 - share) * len(norms) / BLOCK))
    if count >= len(norms):
        return
    kept = norms.topk(count).indices.sort().values
    gone = torch.ones(len(norms), dtype=torch.bool)
    gone[kept] = False
    inputs = torch.ones(_inputs(link.reader), dtype=torch.bool)
    inputs[link.places[gone].flatten()] = False
    read = inputs.nonzero().squeeze(1)
    _keep(link.layer, ("weight", "bias"), kept, 0)
    setattr(link.layer, "out_channels" if isinstance(link.layer, nn.Conv2d) else "out_features", count)
    if isinstance(link.norm, nn.LayerNorm):
        _keep(link.norm, ("weight", "bias"), link.places[kept].flatten().sort().values, 0)
        link.norm.normalized_shape = (len(link.norm.weight),)
    elif link.norm is not None:
        _keep(link.norm, ("weight", "bias", "running_mean", "running_var"), kept, 0)
        link.norm.num_features = count
    if isinstance(link.reader, nn.LSTM):
        _keep(link.reader, ("weight_ih_l0", "weight_ih_l0_reverse"), read, 1)
        link.reader.input_size = len(read)
    else:
        _keep(link.reader, ("weight",), read, 1)
        setattr(link.reader, "in_channels" if isinstance(link.reader, nn.Conv2d) else "in_features", len(read))


def _inputs(reader: nn.Module) -> int:
    return (reader.weight_ih_l0 if isinstance(reader, nn.LSTM) else reader.weight).shape[1]


def _keep(module: nn.Module, names: tuple[str, ...], places: Tensor, axis: int) -> None:
    for name in names:
        values = getattr(module, name, None)
        if values is not None:
            fewer = values.index_select(axis, places).clone()
            setattr(module, name, nn.Parameter(fewer) if isinstance(values, nn.Parameter) else fewer)


def _size(network: Network) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _each(first: int, outputs: int, width: int = 1) -> Tensor:
    """Indices (outputs, width) of inputs that hold consecutive outputs, `width` each, starting at input `first`."""
    return torch.arange(first, first + outputs * width).view(outputs, width)


def _t1(network: CnnLstmAttention) -> Iterator[Link]:
    # sizes are read when a link is yielded: earlier layers have been pruned by then
    for stream in network.streams:
        convolutions = [one for one in stream.spectral if isinstance(one, nn.Conv2d)]
        _, *norms = [
            one for one in stream.spectral if isinstance(one, nn.BatchNorm2d)
        ]  # the first normalises the input
        project, prosodic = stream.project[0], stream.prosodic[0]
        width = project.in_features // convolutions[-1].out_channels
        for (layer, reader), norm in zip(pairwise(convolutions), norms, strict=False):
            yield Link(layer, norm, reader, _each(0, layer.out_channels))
        yield Link(convolutions[-1], norms[-1], project, _each(0, convolutions[-1].out_channels, width))
        yield Link(project, None, stream.lstm, _each(0, project.out_features))
        places = _each(project.out_features, prosodic.out_channels)
        yield Link(prosodic, stream.prosodic[1], stream.lstm, places)


def _w1(network: CL) -> Iterator[Link]:
    convolutions = [one for one in network.convolutions if isinstance(one, nn.Conv2d)]
    dense = [one for one in network.dense if isinstance(one, nn.Linear)]
    for layer, reader in pairwise(convolutions):
        yield Link(layer, None, reader, _each(0, layer.out_channels))
    last, norm = convolutions[-1], network.norms[0]
    yield Link(last, norm, dense[0], _each(0, last.out_channels, norm.normalized_shape[0] // last.out_channels))
    for layer, reader in pairwise(dense):
        yield Link(layer, None, reader, _each(0, layer.out_features))


STRUCTURES: Mapping[type[Network], Callable[[Network], Iterator[Link]]] = {CnnLstmAttention: _t1, CL: _w1}

"""A network that computes in training as its INT8 form will: weights and inputs of the layers that export/quantise.py
quantises are rounded to the steps that they will have there, and gradients pass as if they were not (Jacob et al. 2018,
"Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", section 3).

Batch normalisation behind a convolution is folded into its weights at export: it scales whole output channels, and so
their steps, and which step a weight falls on stays the same. No folding is needed here.

torch.ao.quantization, which did this, is deprecated and to be deleted; torchao's form for single layers knows dense
ones alone, and its form for whole graphs ends in a graph of its own, not in the network as it was.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from speech_emotion.errors import UserError
from speech_emotion.learning.network import Network

LARGEST = 127  # steps on either side of 0
STEP = "input_step"  # buffer of a layer: the step of its input


class RoundedWeights(nn.Module):
    """Weights (outputs, ...) in int8 steps, of each output channel its greatest magnitude / 127."""

    def forward(self, weights: Tensor) -> Tensor:
        greatest = weights.detach().abs().amax(dim=tuple(range(1, weights.dim())), keepdim=True)
        return rounded(weights, _step(greatest))


def rounded(values: Tensor, step: Tensor) -> Tensor:
    """Values in whole steps; the gradient is that of the values (straight-through)."""
    steps = values / step
    return (steps + (steps.round() - steps).detach()) * step


def rounded_inputs(values: Tensor, step: Tensor) -> Tensor:
    """Values in -128 to 127 steps, as QuantizeLinear has them; those beyond are cut off, and have no gradient."""
    return rounded(values.clamp(-(LARGEST + 1) * step, LARGEST * step), step)


def quantised_modules(network: nn.Module) -> dict[str, nn.Module]:
    """Name -> layer of those that compute in INT8 on the device, the Conv and Gemm of the exported graph.

    A dense layer becomes a Gemm where it has a bias; one without is a MatMul.
    """
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv1d | nn.Conv2d) or (isinstance(module, nn.Linear) and module.bias is not None)
    }


@contextmanager
def observed(network: Network) -> Iterator[dict[str, Tensor]]:
    """Inside, what the network computes is looked at: yields layer -> greatest magnitude of its inputs so far, ()."""
    seen: dict[str, Tensor] = {}

    def watch(name: str, inputs: Tensor) -> None:
        greatest = inputs.detach().abs().amax()
        seen[name] = torch.maximum(seen[name], greatest) if name in seen else greatest

    hooks = [
        module.register_forward_pre_hook(lambda _, inputs, name=name: watch(name, inputs[0]))
        for name, module in quantised_modules(network).items()
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def quantisation_aware(network: Network, ranges: dict[str, Tensor]) -> Network:
    """A copy of the network that computes with rounded weights and inputs.

    Args:
        ranges: layer -> greatest magnitude of its inputs on training speech, as `observed` yields it. It is held: a
            small learning rate moves it little, and the exported form is calibrated anew.

    Raises:
        UserError: the network has no such layer, or one was not observed, or its inputs were not finite.
    """
    aware = copy.deepcopy(network)
    layers = quantised_modules(aware)
    if not layers:
        raise UserError(f"export.qat: {type(network).__name__} has no layer that computes in INT8: set enabled: false")
    for name, module in layers.items():
        if name not in ranges or not ranges[name].isfinite():
            raise UserError(
                f"export.qat: layer {name}: {'is not finite' if name in ranges else 'hears nothing'} on training "
                "speech: check the trained weights"
            )
        parametrize.register_parametrization(module, "weight", RoundedWeights())
        module.register_buffer(STEP, _step(ranges[name]))
        module.register_forward_pre_hook(_round_inputs)
    return aware


def plain(aware: Network, network: Network) -> Network:
    """A copy of `network`, which `aware` was made of, with the weights that its rounding started from by now."""
    weights = {name.replace(".parametrizations.weight.original", ".weight"): one for name, one in _state(aware)}
    other = copy.deepcopy(network)
    other.load_state_dict(weights)
    return other


def _state(aware: Network) -> Iterator[tuple[str, Tensor]]:
    return ((name, one) for name, one in aware.state_dict().items() if not name.endswith(f".{STEP}"))


def _step(greatest: Tensor) -> Tensor:
    return torch.where(greatest > 0, greatest / LARGEST, 1.0)  # what is always zero is exact with any step


def _round_inputs(module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    return (rounded_inputs(inputs[0], getattr(module, STEP)),)

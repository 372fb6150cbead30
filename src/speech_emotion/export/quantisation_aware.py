"""Quantisation-aware training: the network rounds as its INT8 form will. Weights and inputs of the layers that
export/quantise.py quantises are rounded to their INT8 steps, and gradients ignore the rounding (Jacob et al. 2018,
"Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", section 3).

Batch normalisation after a convolution is folded into its weights at export. That scales whole output channels together
with their steps, so each weight keeps its step, and no folding is needed here.

torch.ao.quantization, which did this, is deprecated and will be removed; torchao supports only dense layers one by one,
and for whole models it returns a graph rather than the original network.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from speech_emotion.errors import UserError
from speech_emotion.learning.network import Network

LARGEST = 127  # steps on each side of 0
STEP = "input_step"  # buffer of a layer: the step size of its input


class RoundedWeights(nn.Module):
    """Rounds weights (outputs, ...) to INT8 steps; the step of an output channel is its largest magnitude / 127."""

    def forward(self, weights: Tensor) -> Tensor:
        greatest = weights.detach().abs().amax(dim=tuple(range(1, weights.dim())), keepdim=True)
        return rounded(weights, _step(greatest))


def rounded(values: Tensor, step: Tensor) -> Tensor:
    """Values rounded to multiples of `step`; the gradient ignores the rounding (straight-through estimator)."""
    steps = values / step
    return (steps + (steps.round() - steps).detach()) * step


def rounded_inputs(values: Tensor, step: Tensor) -> Tensor:
    """Values rounded to -128 to 127 steps, as by QuantizeLinear; values outside are clipped and have no gradient."""
    return rounded(values.clamp(-(LARGEST + 1) * step, LARGEST * step), step)


def quantised_modules(network: nn.Module) -> dict[str, nn.Module]:
    """Name -> layer that computes in INT8 on the device: the Conv and Gemm nodes of the exported graph.

    A dense layer with a bias becomes a Gemm, one without a MatMul.
    """
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv1d | nn.Conv2d) or (isinstance(module, nn.Linear) and module.bias is not None)
    }


@contextmanager
def observed(network: Network) -> Iterator[dict[str, Tensor]]:
    """Observes inputs of `quantised_modules` during the `with` block: yields layer -> largest magnitude so far, ()."""
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
        network: trained.
        ranges: layer -> largest magnitude of its inputs on training speech, as `observed` yields it. It stays fixed: a
            small learning rate changes it little, and the exported form is calibrated again.

    Raises:
        UserError: the network has no layer to quantise, or a layer was not observed, or its inputs were not finite.
    """
    aware = copy.deepcopy(network)
    layers = quantised_modules(aware)
    if not layers:
        raise UserError(f"export.qat: {type(network).__name__} has no layer that computes in INT8: set enabled: false")
    for name, module in layers.items():
        if name not in ranges or not ranges[name].isfinite():
            raise UserError(
                f"export.qat: layer {name}: {'is not finite' if name in ranges else 'has no input'} on training "
                "speech: check the trained weights"
            )
        parametrize.register_parametrization(module, "weight", RoundedWeights())
        module.register_buffer(STEP, _step(ranges[name]))
        module.register_forward_pre_hook(_round_inputs)
    return aware


def plain(aware: Network, network: Network) -> Network:
    """A copy of `network` with the current weights of `aware`, which was made from it, before rounding."""
    weights = {name.replace(".parametrizations.weight.original", ".weight"): one for name, one in _state(aware)}
    other = copy.deepcopy(network)
    other.load_state_dict(weights)
    return other


def _state(aware: Network) -> Iterator[tuple[str, Tensor]]:
    return ((name, one) for name, one in aware.state_dict().items() if not name.endswith(f".{STEP}"))


def _step(greatest: Tensor) -> Tensor:
    return torch.where(greatest > 0, greatest / LARGEST, 1.0)  # an input that is always zero is exact with any step


def _round_inputs(module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    return (rounded_inputs(inputs[0], getattr(module, STEP)),)

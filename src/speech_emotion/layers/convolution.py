"""Convolution blocks."""

from torch import nn


def convolution_block(
    inputs: int, outputs: int, size: int, stride: tuple[int, int] = (1, 1), norm: nn.Module | None = None, pool: int = 1
) -> list[nn.Module]:
    """The layers of a block: Conv2d with "same" padding, optional normalisation, ReLU, optional max pooling.

    Args:
        inputs: number of input channels.
        outputs: number of output channels.
        size: width of the square kernel, odd.
        stride: stride over frames and bands.
        norm: normalisation of the `outputs` channels; the convolution then has no bias.
        pool: width and stride of the pooling; 1 for no pooling.
    """
    convolution = nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=norm is None)
    layers: list[nn.Module] = [convolution, *([] if norm is None else [norm]), nn.ReLU()]
    return layers if pool == 1 else [*layers, nn.MaxPool2d(pool)]

"""Convolution blocks."""

from torch import nn


def convolution_block(
    inputs: int, outputs: int, size: int, stride: tuple[int, int] = (1, 1), norm: nn.Module | None = None, pool: int = 1
) -> list[nn.Module]:
    """Conv2d that keeps the size (apart from its stride), normalisation if given, ReLU, max pooling if wanted.

    Args:
        inputs: channels.
        outputs: channels.
        size: of the square kernel, odd.
        stride: over frames and bands.
        norm: over `outputs` channels; the convolution then has no bias of its own.
        pool: width and stride of the pooling; 1 for none.
    """
    convolution = nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=norm is None)
    layers: list[nn.Module] = [convolution, *([] if norm is None else [norm]), nn.ReLU()]
    return layers if pool == 1 else [*layers, nn.MaxPool2d(pool)]

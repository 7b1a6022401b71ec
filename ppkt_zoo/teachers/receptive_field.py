"""Which pixel a feature cell looks at: the centre of its receptive field, layer by layer.

Pixel coordinates count pixel centres: pixel (0, 0) has its centre at 0.0, 0.0. A layer of kernel k, stride s,
dilation d that pads p pixels in front puts output i at input s*i - p + d*(k - 1)/2 (Araujo et al., "Computing
Receptive Fields of Convolutional Neural Networks", Distill 2019). Symmetric padding of odd kernels cancels, so
with torchvision's padding cell i looks at pixel stride*i exactly: not at stride*i + (stride - 1)/2, which is what
`interpolate(align_corners=False)` takes for granted. TensorFlow's padding of even sizes adds one pixel a level.
"""

from collections.abc import Iterable
from typing import NamedTuple

from torch import nn

from ppkt_zoo.teachers.tf_padding import SamePaddedConv2d, same_padding

__all__ = ["CellGrid", "Window", "cell_grid", "main_path"]


class CellGrid(NamedTuple):
    """Along one axis: cell i of ``cells`` is centred at input pixel ``stride * i + offset``."""

    cells: int
    stride: int
    offset: float


class Window(NamedTuple):
    """A sliding window as (rows, columns); ``padding`` pixels in front and behind, or None for TensorFlow's SAME."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int] | None

    @classmethod
    def of(cls, layer: nn.Conv2d | nn.MaxPool2d) -> "Window":
        """The window of a convolution or pooling."""
        kernel, stride, dilation = _pair(layer.kernel_size), _pair(layer.stride), _pair(layer.dilation)
        return cls(kernel, stride, dilation, None if isinstance(layer, SamePaddedConv2d) else _pair(layer.padding))


def main_path(modules: Iterable[nn.Module]) -> list[nn.Conv2d | nn.MaxPool2d]:
    """Convolutions and poolings in the order data passes them, shortcuts left out."""
    return [
        layer
        for module in modules
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d) and "downsample" not in name
    ]


def cell_grid(layers: Iterable[nn.Conv2d | nn.MaxPool2d | Window], size: int, axis: int) -> CellGrid:
    """Where the cells lie that ``layers`` make of ``size`` pixels along ``axis`` (0 = rows, 1 = columns)."""
    cells, spacing, offset = size, 1, 0.0
    for layer in layers:
        window = layer if isinstance(layer, Window) else Window.of(layer)
        kernel, stride, dilation = window.kernel[axis], window.stride[axis], window.dilation[axis]
        if window.padding is None:
            before, after = same_padding(cells, kernel, stride, dilation)
        else:
            before = after = window.padding[axis]
        reach = dilation * (kernel - 1)
        offset += spacing * (reach / 2 - before)
        cells = (cells + before + after - reach - 1) // stride + 1
        spacing *= stride
    return CellGrid(cells, spacing, offset)


def _pair(value: object) -> tuple[int, int]:
    """A layer's setting along both axes, where layers give one number or a pair."""
    if isinstance(value, int):
        return value, value
    assert isinstance(value, tuple)
    return int(value[0]), int(value[1])

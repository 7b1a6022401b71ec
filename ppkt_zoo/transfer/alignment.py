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

from ppkt_zoo.transfer.tf_padding import SamePaddedConv2d, same_padding

__all__ = ["CellGrid", "cell_grid", "main_path"]


class CellGrid(NamedTuple):
    """Along one axis: cell i of ``cells`` is centred at input pixel ``stride * i + offset``."""

    cells: int
    stride: int
    offset: float


def main_path(modules: Iterable[nn.Module]) -> list[nn.Conv2d | nn.MaxPool2d]:
    """Convolutions and poolings in the order data passes them, shortcuts left out."""
    return [
        layer
        for module in modules
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d) and "downsample" not in name
    ]


def cell_grid(layers: Iterable[nn.Conv2d | nn.MaxPool2d], size: int, axis: int) -> CellGrid:
    """Where the cells lie that ``layers`` make of ``size`` pixels along ``axis`` (0 = rows, 1 = columns)."""
    cells, spacing, offset = size, 1, 0.0
    for layer in layers:
        kernel, stride, dilation = (_of_axis(v, axis) for v in (layer.kernel_size, layer.stride, layer.dilation))
        if isinstance(layer, SamePaddedConv2d):
            before, after = same_padding(cells, kernel, stride, dilation)
        else:
            before = after = _of_axis(layer.padding, axis)
        reach = dilation * (kernel - 1)
        offset += spacing * (reach / 2 - before)
        cells = (cells + before + after - reach - 1) // stride + 1
        spacing *= stride
    return CellGrid(cells, spacing, offset)


def _of_axis(value: object, axis: int) -> int:
    """A layer's setting along one axis, where layers give one number or a pair."""
    if isinstance(value, int):
        return value
    assert isinstance(value, tuple)
    return int(value[axis])

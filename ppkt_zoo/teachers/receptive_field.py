"""Which pixel a feature cell looks at: the centre of its receptive field, layer by layer.

Pixel coordinates count pixel centres: pixel (0, 0) has its centre at 0.0, 0.0. A layer of kernel k, stride s,
dilation d that pads p pixels in front puts output i at input s*i - p + d*(k - 1)/2 (Araujo et al., "Computing
Receptive Fields of Convolutional Neural Networks", Distill 2019). Symmetric padding of odd kernels cancels, so
with torchvision's padding cell i looks at pixel stride*i exactly: not at stride*i + (stride - 1)/2, which is what
`interpolate(align_corners=False)` takes for granted. TensorFlow's padding of even sizes adds one pixel a level.

TensorFlow's SAME padding, for networks that were trained with it, pads so that the output has ceil(n / stride) cells,
and puts the odd pixel at the end: a 3x3 convolution of stride 2 pads (0, 1) where n is even and (1, 1) where n is
odd. torchvision always pads (1, 1). On sizes 16k + 1 every level of a network of stride 16 is odd, so both agree.
(TensorFlow, `tf.nn` notes on padding.)

Which windows lead from the image to a map of a network that we did not write is found by watching it. Every
convolution or pooling that changes the size of its input is a step. Steps are joined into a way from the
image to the map; where two lead away from one size (a shortcut beside the main branch, a thinned copy of the keys
of an attention), the smaller stride is taken, then the larger kernel. A size that shrinks without any such layer
was joined from patches (Swin's merging), which is a window as large as its stride.

In most networks shortcut and main branch look at the same place. In ResNet-D and its kin they do not: the average
pooling in the shortcuts lies half a cell behind the 3x3 convolutions, 14 pixels after the last stage. There the
centres are those of the convolutions, and what a trained network looks at lies between the two.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def same_padding(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """Pixels that SAME adds (before, after) along one axis of ``size`` pixels."""
    reach = (kernel - 1) * dilation + 1
    total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2


class SamePaddedConv2d(nn.Conv2d):
    """A Conv2d of the same parameters and state names that pads as TensorFlow's SAME does."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C_out, ceil(H / stride), ceil(W / stride))."""
        (kernel_y, kernel_x), (stride_y, stride_x) = self.kernel_size, self.stride
        dilation_y, dilation_x = self.dilation
        top, bottom = same_padding(input.shape[-2], kernel_y, stride_y, dilation_y)
        left, right = same_padding(input.shape[-1], kernel_x, stride_x, dilation_x)
        padding: tuple[int, int] = (top, left)
        if (top, left) != (bottom, right):
            input = F.pad(input, (left, right, top, bottom))
            padding = (0, 0)
        return F.conv2d(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


def use_tensorflow_padding(network: nn.Module) -> nn.Module:
    """Make every strided convolution of ``network`` pad as TensorFlow does, in place; gives it back.

    Convolutions of stride 1 with odd kernels pad the same in both.
    """
    for module in network.modules():
        if type(module) is nn.Conv2d and max(module.stride) > 1:
            module.__class__ = SamePaddedConv2d
    return network


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
    def of(cls, layer: nn.Module) -> "Window":
        """The window of a convolution or pooling, timm's too."""
        if type(layer).__name__ == "BlurPool2d":
            kernel = int(layer.filt_size)  # type: ignore[arg-type]
            stride, padding = int(layer.stride), int(layer.padding[0])  # type: ignore[arg-type,index]
            return cls((kernel, kernel), (stride, stride), (1, 1), (padding, padding))
        # timm's layers with TensorFlow's padding are named so (Conv2dSame, MaxPool2dSame, StdConv2dSame)
        same = isinstance(layer, SamePaddedConv2d) or type(layer).__name__.endswith("Same")
        dilation = _pair(getattr(layer, "dilation", 1))
        return cls(_pair(layer.kernel_size), _pair(layer.stride), dilation, None if same else _pair(layer.padding))


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


def _pair(value: Any) -> tuple[int, int]:
    """A layer's setting along both axes, where layers give one number or a pair."""
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


Size = tuple[int, int]
WINDOWS = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)


@torch.no_grad()
def trace_windows(
    make_map: Callable[[Tensor], Tensor], size: Size, network: nn.Module
) -> tuple[int, list[Window] | None]:
    """Channels of the map that ``network`` makes of images, and the windows on the way to it.

    Args:
        make_map: images (1, 3, H, W) → the map (1, C, h, w), by layers of ``network``.
        size: (H, W) of the image to watch.

    Returns:
        C, and the windows; None where no way from the image to the map explains the map's size.
    """
    steps: dict[Size, list[tuple[Size, Window]]] = {}
    hooks = [
        module.register_forward_hook(_watch(steps))
        for module in network.modules()
        if isinstance(module, WINDOWS) or type(module).__name__ == "BlurPool2d"
    ]
    try:
        parameter = next(network.parameters())
        features = make_map(torch.zeros(1, 3, *size, device=parameter.device, dtype=parameter.dtype))
    finally:
        for hook in hooks:
            hook.remove()
    _, channels, height, width = features.shape
    way = _way(steps, size, (height, width))
    cells = tuple(cell_grid(way, n, axis).cells for axis, n in enumerate(size)) if way is not None else ()
    return int(channels), way if cells == (height, width) else None


def _watch(steps: dict[Size, list[tuple[Size, Window]]]) -> Callable[[nn.Module, Any, Tensor], None]:
    def hook(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        before, after = _pair(inputs[0].shape[-2:]), _pair(output.shape[-2:])
        if before != after:
            steps.setdefault(before, []).append((after, Window.of(layer)))

    return hook


def _way(steps: dict[Size, list[tuple[Size, Window]]], start: Size, end: Size) -> list[Window] | None:
    way: list[Window] = []
    here = start
    while here != end:
        onward = [(to, window) for to, window in steps.get(here, []) if to[0] >= end[0] and to[1] >= end[1]]
        if onward:
            here, window = min(onward, key=lambda step: (step[1].stride, [-k for k in step[1].kernel]))
        else:
            known = [size for size in steps if end[0] <= size[0] < here[0]]
            there = max(known, default=end)
            factors = here[0] // there[0], here[1] // there[1]
            if (there[0] * factors[0], there[1] * factors[1]) != here or factors == (1, 1):
                return None
            here, window = there, Window(factors, factors, (1, 1), (0, 0))
        way.append(window)
    return way

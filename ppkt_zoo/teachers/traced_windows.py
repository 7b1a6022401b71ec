"""Which windows lead from the image to a map, found by watching a network that we did not write.

Every convolution or pooling that changes the size of its input is a step. Steps are joined into a way from the
image to the map; where two lead away from one size (a shortcut beside the main branch, a thinned copy of the keys
of an attention), the smaller stride is taken, then the larger kernel. A size that shrinks without any such layer
was joined from patches (Swin's merging), which is a window as large as its stride.

In most networks shortcut and main branch look at the same place. In ResNet-D and its kin they do not: the average
pooling in the shortcuts lies half a cell behind the 3x3 convolutions, 14 pixels after the last stage. There the
centres are those of the convolutions, and what a trained network looks at lies between the two.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ppkt_zoo.teachers.receptive_field import Window, cell_grid

__all__ = ["trace_windows"]

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
            steps.setdefault(before, []).append((after, _window(layer)))

    return hook


def _window(layer: nn.Module) -> Window:
    if type(layer).__name__ == "BlurPool2d":
        kernel = int(layer.filt_size)  # type: ignore[arg-type]
        stride, padding = int(layer.stride), int(layer.padding[0])  # type: ignore[arg-type,index]
        return Window((kernel, kernel), (stride, stride), (1, 1), (padding, padding))
    kernel_size, stride_of = _pair(layer.kernel_size), _pair(layer.stride)
    dilation = _pair(getattr(layer, "dilation", 1))
    # timm's layers with TensorFlow's padding are named so (Conv2dSame, MaxPool2dSame, StdConv2dSame)
    same = type(layer).__name__.endswith("Same")
    return Window(kernel_size, stride_of, dilation, None if same else _pair(layer.padding))


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


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))

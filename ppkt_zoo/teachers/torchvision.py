"""torchvision's networks as teachers: built empty, dilated, cut at a stage, batch norm folded away."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import get_model

from ppkt_zoo.teachers.deeplab import DeepLabV3MobileNetV2
from ppkt_zoo.teachers.spec import LAST_BLOCK

__all__ = ["dilate_resnet", "empty_network", "feature_path", "fuse_batch_norm"]


def empty_network(architecture: str, output_stride: int = 32) -> nn.Module:
    """The architecture; its random numbers are drawn aside, so that the caller's random state stays."""
    with torch.random.fork_rng(devices=[]):
        if architecture == "deeplabv3_mobilenet_v2":
            return DeepLabV3MobileNetV2()
        network: nn.Module = get_model(architecture, weights=None)
    if output_stride < 32:
        dilate_resnet(network, output_stride)
    return network


def dilate_resnet(network: nn.Module, output_stride: int) -> None:
    """Put dilation in the place of the strides of ``layer4`` (16) or of ``layer3`` and ``layer4`` (8), in place.

    Cells of the old grid keep their numbers; new ones lie between them (the "à trous" scheme: Chen et al.,
    "DeepLab", arXiv 1606.00915, section 3.1). A kernel before the lost stride keeps its spacing, every kernel
    behind it spreads twice as far. Works on basic blocks too, which torchvision itself does not dilate.
    """
    dilation = 1
    for name in {16: ("layer4",), 8: ("layer3", "layer4")}[output_stride]:
        behind = 2 * dilation
        for part, layer in network.get_submodule(name).named_modules():
            if not isinstance(layer, nn.Conv2d):
                continue
            strided = max(layer.stride) > 1
            if strided:
                layer.stride = (1, 1)
            if max(layer.kernel_size) > 1:
                layer.dilation = layer.padding = (dilation, dilation)
            if strided and "downsample" not in part:
                dilation = behind
        assert dilation == behind


def feature_path(network: nn.Module, stage: str) -> tuple[nn.Module, ...]:
    """Modules from the image to ``stage``, in order (for DeepLab's head: to the features it starts from)."""
    children = dict(network.named_children())
    if "features" not in children:
        names = list(children)
        return tuple(children[name] for name in names[: names.index(stage) + 1])
    blocks = tuple(children["features"].children())
    assert len(blocks) in {n + 1 for n in LAST_BLOCK.values()}
    return blocks[: int(stage.removeprefix("features.")) + 1] if stage.startswith("features.") else blocks


def fuse_batch_norm(module: nn.Module) -> None:
    """Fold every BatchNorm2d that directly follows a Conv2d into it, in place."""
    children = list(module.named_children())
    for (name, layer), (next_name, follower) in pairwise(children):
        if isinstance(layer, nn.Conv2d) and isinstance(follower, nn.BatchNorm2d):
            setattr(module, name, fuse_conv_bn_eval(layer, follower))
            setattr(module, next_name, nn.Identity())
    for _, child in children:
        fuse_batch_norm(child)

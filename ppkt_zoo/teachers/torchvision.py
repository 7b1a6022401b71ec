"""torchvision's networks as teachers: built empty, dilated, cut at a stage, batch norm folded away."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import get_model, mobilenet_v2

from ppkt_zoo.teachers.spec import LAST_BLOCK

VOC_CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip


class DeepLabV3MobileNetV2(nn.Module):
    """DeepLabv3 on MobileNetV2 at output stride 16, as TensorFlow's mobile models have it.

    Features (320 channels, stride 16), projection (256) and logits of 21 Pascal VOC classes. Chen et al., "Rethinking
    Atrous Convolution for Semantic Image Segmentation" (arXiv 1706.05587), in the mobile form of Sandler et al.,
    "MobileNetV2" (arXiv 1801.04381), section 6.3: only the 1x1 branch and the image pooling.
    """

    def __init__(self, classes: int = len(VOC_CLASSES)) -> None:
        super().__init__()
        self.features = mobilenet_v2(weights=None).features[:18]
        self._keep_stride_16()
        self.aspp0 = nn.Conv2d(320, 256, 1)
        self.image_pooling = nn.Conv2d(320, 256, 1)
        self.concat_projection = nn.Conv2d(512, 256, 1)
        self.logits = nn.Conv2d(256, classes, 1)

    def _keep_stride_16(self) -> None:
        """Block 14 no longer halves; the blocks after it look as far as before by dilation 2."""
        for block in (14, 15, 16, 17):
            depthwise = self.features[block].conv[1][0]
            depthwise.stride = (1, 1)
            if block > 14:
                depthwise.dilation, depthwise.padding = (2, 2), (2, 2)

    def project(self, features: Tensor) -> Tensor:
        """Features (B, 320, h, w) → (B, 256, h, w), after the last ReLU before the classes."""
        local = self.aspp0(features).relu()
        whole = self.image_pooling(features.mean((2, 3), keepdim=True)).relu()
        joined = torch.cat((whole.expand_as(local), local), dim=1)
        return self.concat_projection(joined).relu()

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) → logits (B, classes, ceil(H / 16), ceil(W / 16))."""
        return self.logits(self.project(self.features(images)))


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

"""DeepLabv3 on MobileNetV2 at output stride 16, as TensorFlow's mobile models have it.

Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation" (arXiv 1706.05587), in the mobile
form of Sandler et al., "MobileNetV2" (arXiv 1801.04381), section 6.3: only the 1x1 branch and the image pooling.
"""

import torch
from torch import Tensor, nn
from torchvision.models import mobilenet_v2

__all__ = ["VOC_CLASSES", "DeepLabV3MobileNetV2"]

VOC_CLASSES = (
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)


class DeepLabV3MobileNetV2(nn.Module):
    """Features (320 channels, stride 16), projection (256) and logits of 21 Pascal VOC classes."""

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

"""TensorFlow's SAME padding for networks that were trained with it.

SAME pads so that the output has ceil(n / stride) cells, and puts the odd pixel at the end: a 3x3 convolution of
stride 2 pads (0, 1) where n is even and (1, 1) where n is odd. torchvision always pads (1, 1). On sizes 16k + 1
every level of a network of stride 16 is odd, so both agree. (TensorFlow, `tf.nn` notes on padding.)
"""

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["SamePaddedConv2d", "same_padding", "use_tensorflow_padding"]


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

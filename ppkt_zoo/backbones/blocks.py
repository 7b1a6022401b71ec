"""The pieces of a sparse residual U-Net: batch norm, convolution with norm, the basic block."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ppkt_zoo.errors import TrainingError
from ppkt_zoo.sparse import SparseTensor, StridedConv3d, SubmanifoldConv3d, TransposedConv3d

Conv = SubmanifoldConv3d | StridedConv3d | TransposedConv3d


class VoxelBatchNorm(nn.BatchNorm1d):
    """Batch norm over all voxels of a batch, (M, C)."""

    def forward(self, feats: Tensor) -> Tensor:
        """Normalise; training needs at least two rows.

        Raises:
            TrainingError: one voxel in training mode, where there is no variance.
        """
        if self.training and feats.shape[0] < 2:
            raise TrainingError(
                "batch norm in training needs at least two voxels, and a level of the network has one: "
                "the clouds of this batch are too small; use larger ones, more of them, or eval mode"
            )
        return super().forward(feats)


class ConvNorm(nn.Module):
    """Convolution and batch norm, with a ReLU where ``relu``."""

    def __init__(self, conv: Conv, relu: bool = True) -> None:
        super().__init__()
        self.conv = conv
        self.norm = VoxelBatchNorm(conv.out_channels)
        self.relu = relu

    def forward(self, x: SparseTensor) -> SparseTensor:
        """Shapes: (M, C_in) → (M', C_out)."""
        x = self.conv(x)
        feats = self.norm(x.feats)
        return x.replace(feats.relu_() if self.relu else feats)


class BasicBlock(nn.Module):
    """Two 3×3×3 convolutions around a shortcut (He et al. 2016); the shortcut is a 1×1×1 convolution with
    batch norm where widths differ, else the identity.
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.first = ConvNorm(SubmanifoldConv3d(in_channels, channels))
        self.second = ConvNorm(SubmanifoldConv3d(channels, channels), relu=False)
        self.shortcut: nn.Module = nn.Identity()
        if in_channels != channels:
            self.shortcut = nn.Sequential(nn.Linear(in_channels, channels, bias=False), VoxelBatchNorm(channels))
            # Kaiming normal, fan out, as for all convolutions.
            nn.init.kaiming_normal_(self.shortcut[0].weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: SparseTensor) -> SparseTensor:
        """Shapes: (M, C_in) → (M, C)."""
        feats = self.second(self.first(x)).feats
        return x.replace(feats.add_(self.shortcut(x.feats)).relu_())


@contextmanager
def frozen_statistics(module: nn.Module) -> Iterator[None]:
    """While open, batch norms use the batch's statistics and leave their running ones alone.

    For the recomputation of gradient checkpointing: the forward pass has already counted this batch.
    The running statistics are stood in for by copies rather than taken away, since autograd expects the
    recomputation to save exactly what the forward pass saved.
    """
    norms = [norm for norm in module.modules() if isinstance(norm, _BatchNorm)]
    kept = [dict(norm._buffers) for norm in norms]
    for norm in norms:
        for name, buffer in norm._buffers.items():
            norm._buffers[name] = None if buffer is None else buffer.clone()
    try:
        yield
    finally:
        for norm, buffers in zip(norms, kept, strict=True):
            norm._buffers.update(buffers)

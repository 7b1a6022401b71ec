"""The pieces of a sparse residual U-Net: batch norm, convolution with norm, the basic block."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ppkt_zoo.backbones.norm import SynchronisedBatchNorm, batch_norms, normalise_over_ranks, track_statistics
from ppkt_zoo.backbones.shortcuts import (
    foldable,
    folded,
    is_hooked,
    is_inference,
    is_plain_linear,
    outputs_are_kept,
)
from ppkt_zoo.engine.distributed import world_size
from ppkt_zoo.errors import TrainingError
from ppkt_zoo.native import library
from ppkt_zoo.native.norm import ROWS, norm_relu
from ppkt_zoo.sparse import (
    RowsLinear,
    SparseTensor,
    StridedConv3d,
    SubmanifoldConv3d,
    TransposedConv3d,
    get_engine,
    pointwise,
)

Conv = SubmanifoldConv3d | StridedConv3d | TransposedConv3d


class VoxelBatchNorm(nn.BatchNorm1d):
    """Batch norm over all voxels of a batch, (M, C).

    Attributes:
        sync: in training, over the voxels of all processes' batches; see :func:`synchronise_batch_norm`.
    """

    sync = False

    def forward(self, feats: Tensor) -> Tensor:
        """Normalise; training needs at least two rows.

        Raises:
            TrainingError: one voxel in training mode, where there is no variance.
        """
        if self.training and self.sync and world_size() > 1:
            return normalise_over_ranks(feats, self)
        if self.training and feats.shape[0] < 2:
            raise TrainingError(
                "batch norm in training needs at least two voxels, and a level of the network has one: "
                "the clouds of this batch are too small; use larger ones, more of them, or eval mode"
            )
        return super().forward(feats)


class ConvNorm(nn.Module):
    """Convolution and batch norm, with a ReLU where ``relu``.

    In eval mode without gradients the batch norm is folded into the convolution.
    """

    def __init__(self, conv: Conv, relu: bool = True) -> None:
        super().__init__()
        self.conv = conv
        self.norm = VoxelBatchNorm(conv.out_channels)
        self.relu = relu

    def forward(self, x: SparseTensor, into: Tensor | None = None, relu: bool = False) -> SparseTensor:
        """Shapes: (M, C_in) → (M', C_out).

        Args:
            x: the input.
            into: (M', C_out) that is added before the ReLU; where the layer :meth:`folds`, the result is written there.
            relu: a ReLU behind the sum with ``into``, whether or not the layer has one itself.
        """
        if self.folds():
            folded_out: SparseTensor = self.conv(x, *folded(self.norm), into, self.relu or relu)
            return folded_out
        x = self.conv(x)
        fused = _normalise(self.norm, x.feats, x.engine, into, self.relu or relu)
        if fused is not None:
            return x.replace(fused)
        feats = self.norm(x.feats)
        if into is not None:
            feats = feats.add_(into)
        elif self.relu and is_hooked(self.norm):
            return x.replace(feats.relu())
        return x.replace(feats.relu_() if self.relu or relu else feats)

    def folds(self) -> bool:
        """Whether the batch norm goes into the convolution: in inference, where both are as they were made."""
        ours = type(self.conv).forward is SubmanifoldConv3d.forward and not is_hooked(self.conv)
        return ours and is_inference(self.norm) and foldable(self.norm)


def _normalise(norm: nn.Module, feats: Tensor, engine: str, beside: Tensor | None, relu: bool) -> Tensor | None:
    """Batch norm in training, sum and ReLU in one by the native engine; None where that is not for it to do."""
    native = library()
    if not isinstance(norm, VoxelBatchNorm) or type(norm).forward is not VoxelBatchNorm.forward or is_hooked(norm):
        return None
    if native is None or not norm.training or not norm.affine or (norm.sync and world_size() > 1) or len(feats) < 2:
        return None
    beside_dtype = feats.dtype if beside is None else beside.dtype
    if feats.device.type != "cpu" or feats.dtype not in ROWS or beside_dtype != feats.dtype:
        return None
    if {norm.weight.dtype, norm.bias.dtype} != {torch.float32}:
        return None
    if get_engine(engine, feats.device).name != "native":
        return None
    y, mean, variance = norm_relu(native, feats, norm.weight, norm.bias, norm.eps, beside, relu)
    track_statistics(norm, len(feats), mean, variance)
    return y


class Shortcut(nn.Sequential):
    """1×1×1 convolution and batch norm around a block whose width changes."""

    def __init__(self, in_channels: int, channels: int) -> None:
        linear = RowsLinear(in_channels, channels, bias=False)
        # As all convolutions: Kaiming normal, fan out.
        nn.init.kaiming_normal_(linear.weight, mode="fan_out", nonlinearity="relu")
        super().__init__(linear, VoxelBatchNorm(channels))

    def forward(self, feats: Tensor, engine: str = "torch") -> Tensor:
        """Shapes: (M, C_in) → (M, C); `engine` as that of a :class:`ppkt_zoo.sparse.SparseTensor`."""
        linear, norm = self[0], self[1]
        if is_inference(norm) and is_plain_linear(linear) and foldable(norm):
            scale, bias = folded(cast(_BatchNorm, norm))
            return pointwise(feats, cast(nn.Linear, linear).weight * scale[:, None], bias)
        straight: Tensor = linear(feats)
        normalised = _normalise(norm, straight, engine, None, relu=False)
        out: Tensor = norm(straight) if normalised is None else normalised
        return out


class BasicBlock(nn.Module):
    """Two 3×3×3 convolutions around a shortcut (He et al. 2016): the identity where widths agree.

    The block is meant to own its input: in eval mode without gradients it writes its result there.
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.first = ConvNorm(SubmanifoldConv3d(in_channels, channels))
        self.second = ConvNorm(SubmanifoldConv3d(channels, channels), relu=False)
        self.shortcut = Shortcut(in_channels, channels) if in_channels != channels else nn.Identity()

    def forward(self, x: SparseTensor) -> SparseTensor:
        """Shapes: (M, C_in) → (M, C)."""
        inner = self.first(x)
        beside = self.shortcut(x.feats, x.engine) if isinstance(self.shortcut, Shortcut) else self.shortcut(x.feats)
        if is_hooked(self.second):
            return x.replace((self.second(inner).feats + beside).relu_())
        if is_inference(self) and beside.dtype == inner.feats.dtype and self.second.folds():
            if outputs_are_kept():
                beside = beside.clone()
            return x.replace(self.second(inner, beside, relu=True).feats)
        if self.second.folds():  # in two dtypes
            return x.replace(self.second(inner).feats.add_(beside).relu_())
        return x.replace(self.second(inner, beside, relu=True).feats)


def synchronise_batch_norm(module: nn.Module) -> int:
    """Let all batch norms of a network take the statistics of all processes' batches in training, from now on.

    Names, parameters and everything in eval mode stay as they are, and so does training in one process. Other batch
    norms than ours, such as those of a backbone of a user's own, become :class:`SynchronisedBatchNorm` in place.

    Returns:
        How many batch norms there are.
    """
    norms = batch_norms(module)
    for norm in norms:
        if isinstance(norm, VoxelBatchNorm):
            norm.sync = True
        else:
            norm.__class__ = SynchronisedBatchNorm
    return len(norms)


@contextmanager
def frozen_statistics(module: nn.Module) -> Iterator[None]:
    """While open, batch norms use the batch's statistics and leave their running ones alone.

    For the recomputation of gradient checkpointing: the forward pass has already counted this batch.
    The running statistics are stood in for by copies rather than taken away, since autograd expects the
    recomputation to save exactly what the forward pass saved.
    """
    norms = batch_norms(module)
    kept = [dict(norm._buffers) for norm in norms]
    for norm in norms:
        for name, buffer in norm._buffers.items():
            norm._buffers[name] = None if buffer is None else buffer.clone()
    try:
        yield
    finally:
        for norm, buffers in zip(norms, kept, strict=True):
            norm._buffers.update(buffers)

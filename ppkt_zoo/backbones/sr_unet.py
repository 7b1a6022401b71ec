"""SR-UNet: the sparse residual U-Net of PPKT's experiments (Res16UNet of Choy et al. 2019).

Stem, four levels down (2×2×2 with stride 2, then residual blocks), four levels up (transposed 2×2×2,
concatenate the skip, residual blocks). Kernel maps are built once per level and shared by its layers.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from ppkt_zoo.backbones.base import VoxelBackbone
from ppkt_zoo.backbones.blocks import BasicBlock, ConvNorm, frozen_statistics
from ppkt_zoo.errors import InputError
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.sparse import SparseTensor, StridedConv3d, SubmanifoldConv3d, TransposedConv3d

_LEVELS = ("stride16", "stride8", "stride4", "stride2", "stride1")

# Widths of the four levels down and the four levels up; A as Choy et al. name them.
_PLANES_A = (32, 64, 128, 256, 128, 128, 96, 96)
_PLANES_34C, _BLOCKS_34 = (32, 64, 128, 256, 256, 128, 96, 96), (2, 3, 4, 6, 2, 2, 2, 2)
_PLANES_SLIM = (24, 40, 56, 80, 80, 56, 56, 48)


class DownStage(nn.Module):
    """One level down: 2×2×2 stride-2 convolution of the same width, then residual blocks."""

    def __init__(self, in_channels: int, channels: int, blocks: int) -> None:
        super().__init__()
        self.down = ConvNorm(StridedConv3d(in_channels, in_channels))
        widths = [in_channels] + [channels] * (blocks - 1)
        self.blocks = nn.Sequential(*(BasicBlock(width, channels) for width in widths))

    def forward(self, x: SparseTensor) -> SparseTensor:
        """Shapes: (M, C_in) at stride s → (M', C) at stride 2s."""
        out: SparseTensor = self.blocks(self.down(x))
        return out


class UpStage(nn.Module):
    """One level up: transposed 2×2×2, concatenate the skip, residual blocks."""

    def __init__(self, in_channels: int, skip_channels: int, channels: int, blocks: int) -> None:
        super().__init__()
        self.up = ConvNorm(TransposedConv3d(in_channels, channels))
        widths = [channels + skip_channels] + [channels] * (blocks - 1)
        self.blocks = nn.Sequential(*(BasicBlock(width, channels) for width in widths))

    def forward(self, x: SparseTensor, skip: SparseTensor) -> SparseTensor:
        """Shapes: (M', C_in) at stride 2s and (M, C_skip) at stride s → (M, C) at stride s."""
        joined = self.up(x)
        # What is joined is held once: at the finest level it is the most memory that a network needs.
        joined = joined.replace(torch.cat([joined.feats, skip.feats], dim=1))
        out: SparseTensor = self.blocks(joined)
        return out


class SRUNet(VoxelBackbone):
    """Sparse residual U-Net.

    Levels, coarse to fine: stride16 (bottom of the U), stride8, stride4, stride2, stride1 (the decoder).
    """

    def __init__(
        self,
        input_spec: InputSpec,
        planes: tuple[int, ...],
        blocks: tuple[int, ...],
        stem_channels: int = 32,
        stem_kernel: int = 5,
        checkpointing: bool = False,
    ) -> None:
        """Args:
            input_spec: channels and voxel size.
            planes: widths of the four encoder levels, then of the four decoder levels.
            blocks: residual blocks of the same eight.
            stem_channels: width of the stem.
            stem_kernel: edge of the stem's submanifold kernel, odd.
            checkpointing: keep only the stages' inputs and compute each stage again in the backward pass:
                less memory, about a third more time, the same numbers.

        Raises:
            InputError: planes or blocks are not eight positive numbers.
        """
        if len(planes) != 8 or len(blocks) != 8 or min(*planes, *blocks, stem_channels) < 1:
            raise InputError(f"planes and blocks are eight positive numbers each, got {planes} and {blocks}")
        super().__init__(input_spec, dict(zip(_LEVELS, planes[3:], strict=True)))
        self.checkpointing = checkpointing
        self.stem = ConvNorm(SubmanifoldConv3d(len(input_spec.channels), stem_channels, stem_kernel))
        widths = (stem_channels, *planes[:4])
        self.down = nn.ModuleList(DownStage(widths[i], widths[i + 1], blocks[i]) for i in range(4))
        below = planes[3:7]
        self.up = nn.ModuleList(UpStage(below[i], widths[3 - i], planes[4 + i], blocks[4 + i]) for i in range(4))

    def forward_voxels(self, x: SparseTensor) -> dict[str, SparseTensor]:
        """Features of every level's voxels."""
        skips = [self._run(self.stem, x)]
        for stage in self.down:
            skips.append(self._run(stage, skips[-1]))
        x = skips.pop()
        levels = {_LEVELS[0]: x}
        for name, stage in zip(_LEVELS[1:], self.up, strict=True):
            x = self._run(stage, x, skips.pop())
            levels[name] = x
        return levels

    def _run(self, stage: nn.Module, *tensors: SparseTensor) -> SparseTensor:
        if not (self.checkpointing and self.training and torch.is_grad_enabled()):
            out: SparseTensor = stage(*tensors)
            return out

        def contexts() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
            return nullcontext(), frozen_statistics(stage)

        # Nothing in a stage is random, so the random state need not be kept.
        again: SparseTensor = checkpoint(
            stage, *tensors, use_reentrant=False, preserve_rng_state=False, context_fn=contexts
        )
        return again


def sr_unet14(*, input_spec: InputSpec, stem_kernel: int = 5, checkpointing: bool = False) -> SRUNet:
    """Res16UNet14A: planes (32, 64, 128, 256 | 128, 128, 96, 96), one block a level."""
    return SRUNet(input_spec, _PLANES_A, (1,) * 8, 32, stem_kernel, checkpointing)


def sr_unet18(*, input_spec: InputSpec, stem_kernel: int = 5, checkpointing: bool = False) -> SRUNet:
    """Res16UNet18A: the planes of 14A, two blocks a level."""
    return SRUNet(input_spec, _PLANES_A, (2,) * 8, 32, stem_kernel, checkpointing)


def sr_unet34(*, input_spec: InputSpec, stem_kernel: int = 5, checkpointing: bool = False) -> SRUNet:
    """Res16UNet34C: planes (32, 64, 128, 256 | 256, 128, 96, 96), blocks (2, 3, 4, 6 | 2, 2, 2, 2)."""
    return SRUNet(input_spec, _PLANES_34C, _BLOCKS_34, 32, stem_kernel, checkpointing)


def sr_unet14_small(*, input_spec: InputSpec, stem_kernel: int = 3, checkpointing: bool = False) -> SRUNet:
    """A width for the CPU: planes (32, 64, 128, 128 | 128, 96, 96, 64), one block a level, 5.2 M parameters.

    Full resolution costs most, so the last level is narrow and the width lies in the coarse ones.
    """
    return SRUNet(input_spec, (32, 64, 128, 128, 128, 96, 96, 64), (1,) * 8, 32, stem_kernel, checkpointing)


def sr_unet14_slim(*, input_spec: InputSpec, stem_kernel: int = 3, checkpointing: bool = False) -> SRUNet:
    """The smallest: planes (24, 40, 56, 80 | 80, 56, 56, 48), one block a level; for comparisons on the CPU."""
    return SRUNet(input_spec, _PLANES_SLIM, (1,) * 8, 24, stem_kernel, checkpointing)


def sr_unet18_slim(*, input_spec: InputSpec, stem_kernel: int = 3, checkpointing: bool = False) -> SRUNet:
    """The planes of ``sr_unet14_slim``, two blocks a level."""
    return SRUNet(input_spec, _PLANES_SLIM, (2,) * 8, 24, stem_kernel, checkpointing)


def sr_unet(
    *,
    input_spec: InputSpec,
    planes: tuple[int, ...] = _PLANES_34C,
    blocks: tuple[int, ...] = _BLOCKS_34,
    stem_channels: int = 32,
    stem_kernel: int = 5,
    checkpointing: bool = False,
) -> SRUNet:
    """Any of the family by its widths and blocks, such as a converted checkpoint's; by default Res16UNet34C."""
    return SRUNet(input_spec, tuple(planes), tuple(blocks), stem_channels, stem_kernel, checkpointing)

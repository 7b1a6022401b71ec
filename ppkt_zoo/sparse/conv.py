"""Sparse convolution layers. Weights lie as (C_out, kD, kH, kW, C_in), with (kD, kH, kW) = (x, y, z).

A 1×1×1 convolution is a linear layer on the features, :class:`RowsLinear`.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ppkt_zoo.errors import EngineError, InputError
from ppkt_zoo.sparse.engines import get_engine
from ppkt_zoo.sparse.engines.gemm import working_dtype
from ppkt_zoo.sparse.kernel_map import KernelMap
from ppkt_zoo.sparse.tensor import SparseTensor

# Numbers of rows in an octave that products are made for.
_IN_AN_OCTAVE = 8


class _SparseConv3d(nn.Module):
    """What the three kinds of layers share: parameters, their first values and their checks."""

    transposed = False

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int = 2, stride: int = 2, bias: bool = False
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(out_channels, kernel_size, kernel_size, kernel_size, in_channels))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Kaiming normal, fan out, for ReLU (He et al. 2015), as Res16UNet draws its kernels; bias 0.

        The fan out of a kernel is ``C_out * kernel_size**3``.
        """
        deviation = math.sqrt(2.0 / (self.out_channels * self.kernel_size**3))
        nn.init.normal_(self.weight, 0.0, deviation)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def extra_repr(self) -> str:
        """Shown by print()."""
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"bias={self.bias is not None}"
        )

    def forward(
        self,
        x: SparseTensor,
        scale: Tensor | None = None,
        bias: Tensor | None = None,
        into: Tensor | None = None,
        relu: bool = False,
    ) -> SparseTensor:
        """Convolve.

        Args:
            x: float (M_in, C_in).
            scale: (C_out,) that multiplies the result before the bias: a batch norm folded in.
            bias: (C_out,) in place of the layer's own.
            into: (M_out, C_out) that the result is added to, in place; only without gradients.
            relu: whether negative numbers become 0 in the end; only without gradients.

        Returns:
            (M_out, C_out) at the output's level.
        """
        if x.feats.shape[1] != self.in_channels:
            raise InputError(f"the layer takes {self.in_channels} channels, the tensor has {x.feats.shape[1]}")
        kernel_map, stride = self._find_map(x)
        engine = get_engine(x.engine, x.feats.device)
        bias = self.bias if bias is None else bias
        feats = engine.convolve(x.feats, self.weight, bias, kernel_map, self.transposed, into, scale=scale, relu=relu)
        return x.replace(feats, stride)

    def _find_map(self, x: SparseTensor) -> tuple[KernelMap, int]:
        """The kernel map and the stride of the output."""
        raise NotImplementedError


class SubmanifoldConv3d(_SparseConv3d):
    """Output on exactly the voxels of the input (Graham et al. 2018); odd kernels.

    Shapes: (M, C_in) → (M, C_out), same level.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3, bias: bool = False) -> None:
        if kernel_size % 2 == 0:
            raise EngineError(f"a submanifold convolution needs an odd kernel, got {kernel_size}")
        super().__init__(in_channels, out_channels, kernel_size, 1, bias)

    def _find_map(self, x: SparseTensor) -> tuple[KernelMap, int]:
        return x.grid.submanifold(x.stride, self.kernel_size), x.stride


class StridedConv3d(_SparseConv3d):
    """Down to a coarser level whose voxels are the input's, rounded down.

    Shapes: (M, C_in) at stride s → (M', C_out) at stride ``s * stride``.
    """

    def _find_map(self, x: SparseTensor) -> tuple[KernelMap, int]:
        return x.grid.strided(x.stride, self.kernel_size, self.stride), x.stride * self.stride


class TransposedConv3d(_SparseConv3d):
    """Back up to the finer level that a strided convolution came from; its map is that one's, reversed.

    Shapes: (M', C_in) at stride s → (M, C_out) at stride ``s / stride``.
    """

    transposed = True

    def _find_map(self, x: SparseTensor) -> tuple[KernelMap, int]:
        if x.stride % self.stride:
            raise InputError(f"there is no level {self.stride} times finer than stride {x.stride}")
        finer = x.stride // self.stride
        return x.grid.strided(finer, self.kernel_size, self.stride), finer


class RowsLinear(nn.Linear):
    """``nn.Linear``, with the same parameters and results, for (M, C) whose M is another in each step of training.

    For bfloat16 on the CPU oneDNN compiles a product for each M that it meets, forward and twice on the way back: in
    steps of fine-tuning a small network that took an eighth of the time. Here such rows are followed by zeros up to one
    of few M, whose products it then keeps.
    """

    def forward(self, feats: Tensor) -> Tensor:
        """Shapes: (M, C_in) → (M, C_out)."""
        rows = feats.shape[0]
        if feats.ndim != 2 or not compiles_anew(feats, self.weight):
            return super().forward(feats)
        out: Tensor = super().forward(F.pad(feats, (0, 0, 0, rounded_rows(rows) - rows)))
        return out[:rows]


def compiles_anew(feats: Tensor, weight: Tensor) -> bool:
    """Whether a product is one that oneDNN compiles for its number of rows, in training, where that is worth rows."""
    half = feats.device.type == "cpu" and working_dtype(feats, weight) == torch.bfloat16
    return half and torch.is_grad_enabled() and (feats.requires_grad or weight.requires_grad)


def rounded_rows(rows: int) -> int:
    """The next number of rows that products are made for: at most an eighth more."""
    octave = 1 << max(0, rows.bit_length() - 1)
    step = max(1, octave // _IN_AN_OCTAVE)
    return -(-rows // step) * step

"""Features between the points that have them (Qi et al. 2017, equation 2), natively on the CPU."""

from typing import Any, cast

import torch
from torch import Tensor

from ppkt_zoo.native import Library, library
from ppkt_zoo.native import points as native


def interpolate(feats: Tensor, rows: Tensor, weights: Tensor, inverse: Tensor | None = None) -> Tensor:
    """Weighted sums of features, in float32: feats (M, C), rows and weights (T, k) → (T, C).

    With ``inverse``, int64 (N,), the sums of these targets, (N, C).
    """
    engine = library() if feats.device.type == "cpu" and weights.dtype == torch.float32 else None
    if engine is not None and not weights.requires_grad:
        if inverse is not None:  # summed again for every point: that is quicker than to write sums and read them
            rows, weights = rows.index_select(0, inverse), weights.index_select(0, inverse)
        return cast(Tensor, Interpolation.apply(feats.float(), rows, weights, engine))
    total = torch.zeros((rows.shape[0], feats.shape[1]), dtype=torch.float32, device=feats.device)
    for column in range(rows.shape[1]):
        total = total + feats.index_select(0, rows[:, column]).float() * weights[:, column, None]
    return total if inverse is None else total.index_select(0, inverse)


class Interpolation(torch.autograd.Function):
    """The sums of :func:`interpolate` by the native library."""

    @staticmethod
    def forward(ctx: Any, feats: Tensor, rows: Tensor, weights: Tensor, engine: Library) -> Tensor:
        """Shapes: feats float32 (M, C), rows int64 and weights float32 (T, k) → float32 (T, C)."""
        ctx.save_for_backward(rows, weights)
        ctx.engine, ctx.sources = engine, feats.shape[0]
        return native.interpolate(engine, feats, rows, weights)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """The sums are linear, so the gradient of the gradient is the sums again."""
        return cast(Tensor, Spreading.apply(grad, *ctx.saved_tensors, ctx.engine, ctx.sources)), None, None, None


class Spreading(torch.autograd.Function):
    """The transpose of :class:`Interpolation`."""

    @staticmethod
    def forward(ctx: Any, grad: Tensor, rows: Tensor, weights: Tensor, engine: Library, sources: int) -> Tensor:
        """Shapes: grad float32 (T, C), rows int64 and weights float32 (T, k) → float32 (sources, C)."""
        ctx.save_for_backward(rows, weights)
        ctx.engine = engine
        return native.interpolate_back(engine, grad, rows, weights, sources)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """As in :class:`Interpolation`."""
        return cast(Tensor, Interpolation.apply(grad, *ctx.saved_tensors, ctx.engine)), None, None, None, None

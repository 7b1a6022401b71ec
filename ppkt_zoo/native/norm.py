"""Batch norm over rows in training, with a sum and a ReLU behind it, by the native library."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ppkt_zoo.errors import EngineError
from ppkt_zoo.native.library import Library, threads

#: Dtypes of the rows.
ROWS = (torch.float32, torch.bfloat16)
_BLOCK = 256


def norm_relu(
    library: Library,
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    eps: float,
    beside: Tensor | None = None,
    relu: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:
    """``relu(norm(x) + beside)``, with gradients.

    The numbers are the same on any number of threads.

    Args:
        library: the native library.
        x: float32 or bfloat16 (M, C) on the CPU, M ≥ 1.
        weight, bias: float32 (C,).
        eps: added to the variance.
        beside: (M, C) of the dtype of x, or None.
        relu: whether there is a ReLU.

    Returns:
        The result (M, C) in the dtype of x, rounded once, and mean and biased variance float32 (C,) of the
        rows, without gradients.

    Raises:
        EngineError: shapes or dtypes do not fit.
    """
    beside_shape = x.shape if beside is None else beside.shape
    tensors = [one for one in (x, weight, bias, beside) if one is not None]
    if x.ndim != 2 or not x.numel() or beside_shape != x.shape or {weight.shape, bias.shape} != {x.shape[1:]}:
        raise EngineError(f"norm: rows {tuple(x.shape)} do not fit {tuple(weight.shape)} and {tuple(beside_shape)}")
    kinds = (one.dtype for one in (weight, bias))
    if x.dtype not in ROWS or (beside is not None and beside.dtype != x.dtype) or set(kinds) != {torch.float32}:
        raise EngineError("norm: the native library takes float32, and rows of bfloat16")
    if any(one.device.type != "cpu" for one in tensors):
        raise EngineError("norm: the native library computes on the CPU")
    made: tuple[Tensor, Tensor, Tensor] = _NormReLU.apply(x, weight, bias, beside, eps, relu, library)
    return made


class _NormReLU(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        beside: Tensor | None,
        eps: float,
        relu: bool,
        library: Library,
    ) -> tuple[Tensor, Tensor, Tensor]:
        x, weight, bias = x.contiguous(), weight.contiguous(), bias.contiguous()
        beside = None if beside is None else beside.contiguous()
        rows, channels = x.shape
        y, work = torch.empty_like(x), _work(x)
        mean, variance, scale = (torch.empty_like(weight) for _ in range(3))
        library.call(
            "norm", x.data_ptr(), None if beside is None else beside.data_ptr(), weight.data_ptr(), bias.data_ptr(),
            rows, channels, eps, relu, y.data_ptr(), mean.data_ptr(), variance.data_ptr(), scale.data_ptr(),
            work.data_ptr(), x.dtype == torch.bfloat16, threads(),
        )  # fmt: skip
        ctx.save_for_backward(x, y, mean, variance, scale)
        ctx.eps, ctx.relu, ctx.library, ctx.beside = eps, relu, library, beside is not None
        ctx.mark_non_differentiable(mean, variance)
        ctx.set_materialize_grads(False)
        return y, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor | None, *_: Tensor | None) -> tuple[Tensor | None, ...]:
        if grad is None:
            return (None,) * 7
        x, y, mean, variance, scale = ctx.saved_tensors
        grad = grad.to(x.dtype).contiguous()
        grad_x, work = torch.empty_like(x), _work(x)
        grad_beside = torch.empty_like(x) if ctx.beside else None
        grad_weight, grad_bias, by_sum, by_product = (torch.empty_like(mean) for _ in range(4))
        ctx.library.call(
            "norm_back", x.data_ptr(), y.data_ptr(), grad.data_ptr(), mean.data_ptr(), variance.data_ptr(),
            scale.data_ptr(), *x.shape, ctx.eps, ctx.relu, grad_x.data_ptr(),
            None if grad_beside is None else grad_beside.data_ptr(), grad_weight.data_ptr(), grad_bias.data_ptr(),
            by_sum.data_ptr(), by_product.data_ptr(), work.data_ptr(), x.dtype == torch.bfloat16, threads(),
        )  # fmt: skip
        return grad_x, grad_weight, grad_bias, grad_beside, None, None, None


def _work(x: Tensor) -> Tensor:
    """Memory for the sums of all blocks."""
    return torch.empty(2 * -(-x.shape[0] // _BLOCK) * x.shape[1], dtype=torch.float64, device="cpu")

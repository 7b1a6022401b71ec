"""The pure PyTorch engine: works everywhere, forward and backward, fp64, fp32, bf16 and fp16.

Forward: for each chunk of rows, gather the inputs it uses and do one GEMM. Backward: the same over the
transposed table. The gathered output gradients serve both results, since with j the input row

    grad_input[j]    = sum over k of  grad[T'(j, k)] · W[k]ᵀ
    grad_weight[k]   = sum over j of  input[j]ᵀ · grad[T'(j, k)]

so the backward pass gathers once and multiplies twice.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ppkt_zoo.sparse.engines.gemm import Chunk, Plan, build_plan, chunk_rows, multiply, working_dtype
from ppkt_zoo.sparse.kernel_map import KernelMap


class TorchEngine:
    """Masked implicit GEMM in PyTorch."""

    name = "torch"

    def convolve(
        self,
        feats: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        kernel_map: KernelMap,
        transposed: bool = False,
        into: Tensor | None = None,
        *,
        scale: Tensor | None = None,
        relu: bool = False,
    ) -> Tensor:
        """One convolution.

        Args:
            feats: float (M_in, C_in).
            weight: float (C_out, kD, kH, kW, C_in).
            bias: float (C_out,) or None.
            kernel_map: the map from input to output; with ``transposed`` it is walked from output to input.
            transposed: see above.
            into: (M_out, C_out) of the result's dtype that the result is added to and returned; only
                where no gradients are asked for.
            scale: (C_out,) that multiplies the result before the bias: a batch norm folded in.
            relu: whether negative numbers become 0 in the end; only where no gradients are asked for.

        Returns:
            (M_out, C_out) in the autocast dtype where autocast is on, else in the wider of the dtypes of
            feats and weight.
        """
        dtype = working_dtype(feats, weight)
        with torch.autocast(feats.device.type, enabled=False):
            feats = feats.to(dtype)
            weight = weight if scale is None else scaled(weight, scale)
            if torch.is_grad_enabled() and into is None:
                out: Tensor = _SparseConvolution.apply(feats, weight, bias, kernel_map, transposed)
            else:
                out = _forward(feats, weight, bias, kernel_map, transposed, into)
            return out.relu_() if relu else out


def scaled(weight: Tensor, scale: Tensor) -> Tensor:
    """A weight (C_out, …) whose every output channel is multiplied."""
    return weight * scale.view(-1, *(1,) * (weight.ndim - 1))


class _SparseConvolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, feats: Tensor, weight: Tensor, bias: Tensor | None, kernel_map: KernelMap, transposed: bool
    ) -> Tensor:
        ctx.save_for_backward(feats, weight)
        ctx.kernel_map, ctx.transposed = kernel_map, transposed
        return _forward(feats, weight, bias, kernel_map, transposed)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        feats, weight = ctx.saved_tensors
        wants_feats, wants_weight, wants_bias = ctx.needs_input_grad[:3]
        grad_bias = grad.sum(dim=0, dtype=_accumulator(weight)).to(weight.dtype) if wants_bias else None
        grad = grad.to(feats.dtype)
        with torch.autocast(grad.device.type, enabled=False):
            grad_feats, grad_weight = _backward(
                grad, feats, weight, ctx.kernel_map, ctx.transposed, wants_feats, wants_weight
            )
        return grad_feats, grad_weight, grad_bias, None, None


def _plan(kernel_map: KernelMap, back: bool, gathered: Tensor) -> tuple[Plan, bool]:
    """The plan that walks a map one way or the other, and whether it reads the offsets in reverse."""
    slabs, narrow = _cut(kernel_map, gathered)
    side = ("back" if back and not kernel_map.symmetric else "forth", slabs, narrow)
    if side not in kernel_map.plans:
        with torch.no_grad():
            if side[0] == "forth":
                table, inputs = kernel_map.table, kernel_map.inputs
            else:
                table, inputs = kernel_map.back_table(), kernel_map.outputs
            kernel_map.plans[side] = build_plan(table, inputs, slabs, chunk_rows(table, narrow))
    plan: Plan = kernel_map.plans[side]
    return plan, back and kernel_map.symmetric


def _cut(kernel_map: KernelMap, gathered: Tensor) -> tuple[int, bool]:
    """Into how many slabs of offsets a layer is cut, and whether its rows are narrow; measured on rooms.

    With wide fp32 rows the GEMM costs most, so a big kernel is worked in slabs along x, which waste least, and
    in chunks that stay in the cache. With narrow rows the number of chunks costs most. In half precision adding
    up slabs would cost as much as it saves, and round once more.
    """
    channels = gathered.shape[1]
    if channels <= 4:
        return 0, False
    if gathered.dtype not in (torch.float32, torch.float64):
        return 1, False
    return 1 if kernel_map.edge == 2 or channels <= 16 else kernel_map.edge, channels <= 32


def _forward(
    feats: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    kernel_map: KernelMap,
    transposed: bool,
    into: Tensor | None = None,
) -> Tensor:
    plan, flipped = _plan(kernel_map, transposed, feats)
    kernel = weight.detach().flatten(1, 3).permute(1, 2, 0)
    bias = None if bias is None else bias.detach().to(feats.dtype)
    return gather_multiply(feats, _ordered(kernel, flipped, feats.dtype), plan, bias, into)


def gather_multiply(
    feats: Tensor, kernel: Tensor, plan: Plan, bias: Tensor | None = None, into: Tensor | None = None
) -> Tensor:
    """The masked implicit GEMM: (M_in, C_in) with kernel (K, C_in, C_out) to (M_out, C_out)."""
    source, buffer = _prepare(feats, plan)
    out = _result(plan, kernel.shape[2], feats, bias) if into is None else into
    if into is not None and bias is not None:
        out += bias
    for chunk in plan.chunks:
        gathered = _gather(source, chunk, buffer)
        _multiply_into(out, gathered, _pick(kernel, chunk), chunk.rows, chunk.first and into is None, bias)
    return out


def _result(plan: Plan, channels: int, like: Tensor, bias: Tensor | None = None) -> Tensor:
    """Memory for the result, with the values of rows that no first chunk will set."""
    out = like.new_empty((plan.outputs, channels))
    if not plan.complete:
        out[:] = 0 if bias is None else bias
    return out


def _multiply_into(
    out: Tensor, gathered: Tensor, matrix: Tensor, rows: Tensor, first: bool, bias: Tensor | None
) -> None:
    """Set or add to some rows of out: gathered (R, X) times matrix (X, N)."""
    if first:
        out.index_copy_(0, rows, multiply(gathered, matrix, bias))
    else:
        out.index_add_(0, rows, multiply(gathered, matrix))


def _backward(
    grad: Tensor,
    feats: Tensor,
    weight: Tensor,
    kernel_map: KernelMap,
    transposed: bool,
    wants_feats: bool,
    wants_weight: bool,
) -> tuple[Tensor | None, Tensor | None]:
    kernel = weight.detach().flatten(1, 3)
    total: Tensor | None = None
    if not wants_feats:
        if not wants_weight:
            return None, None
        # The first layer: its inputs are narrower than its outputs, so gather those.
        plan, flipped = _plan(kernel_map, transposed, feats)
        total = torch.zeros(kernel.shape, dtype=_accumulator(weight), device=grad.device)
        source, buffer = _prepare(feats, plan)
        for chunk in plan.chunks:
            _add_part(total, grad.index_select(0, chunk.rows), _gather(source, chunk, buffer), chunk)
        return None, _ordered(total, flipped, weight.dtype, axis=1).view(weight.shape)
    plan, flipped = _plan(kernel_map, not transposed, grad)
    # (K, C_out, C_in): the convolution that carries gradients back.
    turned = _ordered(kernel.permute(1, 0, 2), flipped, feats.dtype)
    if not wants_weight:
        return gather_multiply(grad, turned, plan), None
    source, buffer = _prepare(grad, plan)
    grad_feats = _result(plan, turned.shape[2], grad)
    shape = (turned.shape[2], plan.offsets, turned.shape[1])
    total = torch.zeros(shape, dtype=_accumulator(weight), device=grad.device)
    for chunk in plan.chunks:
        gathered = _gather(source, chunk, buffer)
        _multiply_into(grad_feats, gathered, _pick(turned, chunk), chunk.rows, chunk.first, None)
        _add_part(total, feats.index_select(0, chunk.rows), gathered, chunk)
    return grad_feats, _ordered(total.permute(2, 1, 0), flipped, weight.dtype, axis=1).view(weight.shape)


def _add_part(total: Tensor, rows: Tensor, gathered: Tensor, chunk: Chunk) -> None:
    """Add rows (R, A) transposed times gathered (R, U * B) to the used offsets of a total (A, K, B)."""
    part = multiply(rows.t(), gathered).view(total.shape[0], -1, total.shape[2])
    if isinstance(chunk.used, slice):
        total[:, chunk.used] += part
    else:
        total.index_add_(1, chunk.used, part.to(total.dtype))


def _ordered(kernel: Tensor, flipped: bool, dtype: torch.dtype, axis: int = 0) -> Tensor:
    """A contiguous kernel in a dtype, its offsets (along axis) in reverse where ``flipped``."""
    return (kernel.flip(axis) if flipped else kernel).to(dtype).contiguous()


def _accumulator(weight: Tensor) -> torch.dtype:
    # Half-precision sums over hundreds of thousands of rows would lose the small ones.
    return torch.promote_types(weight.dtype, torch.float32)


def _prepare(feats: Tensor, plan: Plan) -> tuple[Tensor, Tensor]:
    """The rows to gather from (with a zero row behind them where padded), and room for a chunk's gathered rows."""
    source = torch.cat([feats, feats.new_zeros((1, feats.shape[1]))]) if plan.padded else feats
    return source, feats.new_empty((plan.largest, feats.shape[1]))


def _gather(source: Tensor, chunk: Chunk, buffer: Tensor) -> Tensor:
    """The chunk's inputs side by side, (R, U * C)."""
    part = buffer[: chunk.index.shape[0]]
    torch.index_select(source, 0, chunk.index, out=part)
    if chunk.missing is not None:
        part.index_fill_(0, chunk.missing, 0.0)
    return part.view(chunk.rows.shape[0], -1)


def _pick(kernel: Tensor, chunk: Chunk) -> Tensor:
    """The used offsets of a kernel (K, C_in, C_out) as a matrix (U * C_in, C_out); a view where it can be."""
    used = kernel[chunk.used] if isinstance(chunk.used, slice) else kernel.index_select(0, chunk.used)
    return used.view(-1, kernel.shape[2])

"""The pure PyTorch engine: works everywhere, forward and backward, fp64, fp32, bf16 and fp16.

Forward: for each chunk of rows, gather the inputs it uses and do one GEMM. Backward: the same over the
transposed table. The gathered output gradients serve both results, since with j the input row

    grad_input[j]    = sum over k of  grad[T'(j, k)] · W[k]ᵀ
    grad_weight[k]   = sum over j of  grad[T'(j, k)]ᵀ · input[j]

so the backward pass gathers once and multiplies twice.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ppkt_zoo.sparse.engines.plan import Chunk, Plan, build_plan
from ppkt_zoo.sparse.kernel_map import KernelMap


class TorchEngine:
    """Masked implicit GEMM in PyTorch."""

    name = "torch"

    def convolve(
        self, feats: Tensor, weight: Tensor, bias: Tensor | None, kernel_map: KernelMap, transposed: bool = False
    ) -> Tensor:
        """One convolution.

        Args:
            feats: float (M_in, C_in).
            weight: float (C_out, kD, kH, kW, C_in).
            bias: float (C_out,) or None.
            kernel_map: the map from input to output; with ``transposed`` it is walked from output to input.
            transposed: see above.

        Returns:
            (M_out, C_out) in the autocast dtype where autocast is on, else in the dtype of feats.
        """
        device = feats.device.type
        if torch.is_autocast_enabled(device):
            dtype = torch.get_autocast_dtype(device)
        else:
            dtype = torch.promote_types(feats.dtype, weight.dtype)
        with torch.autocast(device, enabled=False):
            out: Tensor = _SparseConvolution.apply(feats.to(dtype), weight, kernel_map, transposed)
            return out if bias is None else out + bias.to(dtype)


class _SparseConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, feats: Tensor, weight: Tensor, kernel_map: KernelMap, transposed: bool) -> Tensor:
        ctx.save_for_backward(feats, weight)
        ctx.kernel_map, ctx.transposed = kernel_map, transposed
        plan, flipped = _plan(kernel_map, transposed, feats.dtype)
        kernel = weight.detach().to(feats.dtype).flatten(1, 3)
        return gather_multiply(feats, kernel.flip(1) if flipped else kernel, plan)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        feats, weight = ctx.saved_tensors
        wants_feats, wants_weight = ctx.needs_input_grad[:2]
        grad = grad.to(feats.dtype)
        with torch.autocast(grad.device.type, enabled=False):
            grad_feats, grad_weight = _backward(
                grad, feats, weight, ctx.kernel_map, ctx.transposed, wants_feats, wants_weight
            )
        return grad_feats, grad_weight, None, None


def _plan(kernel_map: KernelMap, back: bool, dtype: torch.dtype) -> tuple[Plan, bool]:
    """The plan that walks a map one way or the other, and whether it reads the offsets in reverse.

    In fp32 a GEMM costs most, so a big kernel is worked in slabs along x, which waste less. In half
    precision gathering costs as much, and adding up slabs would round once more: one slab.
    """
    slabs = 1
    if kernel_map.edge > 2 and dtype in (torch.float32, torch.float64):
        slabs = kernel_map.edge
    side = ("back" if back and not kernel_map.symmetric else "forth", slabs)
    if side not in kernel_map.plans:
        with torch.no_grad():
            if side[0] == "forth":
                kernel_map.plans[side] = build_plan(kernel_map.table, kernel_map.inputs, slabs)
            else:
                kernel_map.plans[side] = build_plan(kernel_map.back_table(), kernel_map.outputs, slabs)
    plan: Plan = kernel_map.plans[side]
    return plan, back and kernel_map.symmetric


def gather_multiply(feats: Tensor, kernel: Tensor, plan: Plan) -> Tensor:
    """The masked implicit GEMM: (M_in, C_in) with kernel (C_out, K, C_in) to (M_out, C_out)."""
    channels = kernel.shape[0]
    source = _with_zero_row(feats)
    make = torch.empty if plan.complete else torch.zeros
    out = make((plan.outputs, channels), dtype=feats.dtype, device=feats.device)
    buffer = source.new_empty((plan.largest, source.shape[1]))
    result = feats.new_empty((plan.longest, channels))
    for chunk in plan.chunks:
        gathered = _gather(source, chunk, buffer)
        _multiply_into(out, gathered, _pick(kernel, chunk.used), chunk, result)
    return out


def _multiply_into(out: Tensor, gathered: Tensor, matrix: Tensor, chunk: Chunk, scratch: Tensor) -> None:
    """Set or add to the chunk's rows of out: gathered (R, X) times matrix (C_out, X) transposed."""
    part = scratch[: chunk.rows.shape[0]]
    if chunk.first:
        torch.mm(gathered, matrix.t(), out=part)
    else:
        torch.index_select(out, 0, chunk.rows, out=part)
        part.addmm_(gathered, matrix.t())
    out.index_copy_(0, chunk.rows, part)


def _pick(kernel: Tensor, used: slice | Tensor) -> Tensor:
    """The used offsets of a kernel (C_out, K, C_in) as a matrix (C_out, U * C_in); a view where it can be."""
    width = kernel.shape[2]
    if isinstance(used, slice):
        return kernel.view(kernel.shape[0], -1)[:, used.start * width : used.stop * width]
    return kernel.index_select(1, used).view(kernel.shape[0], -1)


def _backward(
    grad: Tensor,
    feats: Tensor,
    weight: Tensor,
    kernel_map: KernelMap,
    transposed: bool,
    wants_feats: bool,
    wants_weight: bool,
) -> tuple[Tensor | None, Tensor | None]:
    kernel = weight.detach().to(feats.dtype).flatten(1, 3)
    if not wants_feats:
        # The first layer: its inputs are narrower than its outputs, so gather those.
        plan, flipped = _plan(kernel_map, transposed, feats.dtype)
        total = _weight_gradient(feats, grad, plan, _accumulator(weight))
        total = total.permute(2, 0, 1)
        return None, (total.flip(1) if flipped else total).reshape(weight.shape).to(weight.dtype)
    plan, flipped = _plan(kernel_map, not transposed, feats.dtype)
    # (C_in, K, C_out): the convolution that carries gradients back.
    turned = kernel.permute(2, 1, 0)
    turned = (turned.flip(1) if flipped else turned).contiguous()
    if not wants_weight:
        return gather_multiply(grad, turned, plan), None
    inputs = turned.shape[0]
    source = _with_zero_row(grad)
    make = torch.empty if plan.complete else torch.zeros
    grad_feats = make((plan.outputs, inputs), dtype=grad.dtype, device=grad.device)
    total = torch.zeros((plan.offsets, grad.shape[1], inputs), dtype=_accumulator(weight), device=grad.device)
    buffer = source.new_empty((plan.largest, source.shape[1]))
    result = grad.new_empty((plan.longest, inputs))
    for chunk in plan.chunks:
        gathered = _gather(source, chunk, buffer)
        _multiply_into(grad_feats, gathered, _pick(turned, chunk.used), chunk, result)
        _add_part(total, gathered.t() @ feats.index_select(0, chunk.rows), chunk.used)
    total = total.permute(1, 0, 2)
    return grad_feats, (total.flip(1) if flipped else total).reshape(weight.shape).to(weight.dtype)


def _weight_gradient(source: Tensor, other: Tensor, plan: Plan, dtype: torch.dtype) -> Tensor:
    """Sum over rows of gathered(source)ᵀ · other: (K, C_source, C_other)."""
    total = torch.zeros((plan.offsets, source.shape[1], other.shape[1]), dtype=dtype, device=source.device)
    padded = _with_zero_row(source)
    buffer = padded.new_empty((plan.largest, padded.shape[1]))
    for chunk in plan.chunks:
        gathered = _gather(padded, chunk, buffer)
        _add_part(total, gathered.t() @ other.index_select(0, chunk.rows), chunk.used)
    return total


def _add_part(total: Tensor, part: Tensor, used: slice | Tensor) -> None:
    """Add (U * A, B) to the used offsets of a total (K, A, B)."""
    part = part.view(-1, *total.shape[1:])
    if isinstance(used, slice):
        total[used] += part
    else:
        total.index_add_(0, used, part.to(total.dtype))


def _accumulator(weight: Tensor) -> torch.dtype:
    # Half-precision sums over hundreds of thousands of rows would lose the small ones.
    return torch.promote_types(weight.dtype, torch.float32)


def _with_zero_row(feats: Tensor) -> Tensor:
    return torch.cat([feats, feats.new_zeros((1, feats.shape[1]))])


def _gather(source: Tensor, chunk: Chunk, buffer: Tensor) -> Tensor:
    """The chunk's inputs side by side, (R, U * C)."""
    part = buffer[: chunk.index.shape[0]]
    torch.index_select(source, 0, chunk.index, out=part)
    return part.view(chunk.rows.shape[0], -1)

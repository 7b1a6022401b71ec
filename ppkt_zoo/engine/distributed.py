"""Rows of all processes as if one process held them, with gradients that know it.

Works on every backend that has all_gather and all_reduce (gloo on the CPU, NCCL). All processes must call these
functions in the same order, with tensors of the same dtype and the same number of columns.
"""

from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor


class JoinedRows(NamedTuple):
    """Rows of all processes in the order of their ranks; this process's begin at row ``first``."""

    rows: Tensor
    first: int


def world_size() -> int:
    """How many processes learn together; 1 where torch.distributed was not started."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def all_gather_rows(own: Tensor) -> JoinedRows:
    """Rows (n, …) of this process → those of all processes (Σ n, …); any process may have another n, or none.

    The gradient of a row is the sum of what all processes say about it. Where each process's loss is its rows' part
    of the joined loss times the number of processes, DDP's mean over processes is the joined loss's gradient.
    """
    if world_size() == 1:
        return JoinedRows(own, 0)
    counts = _all_gather(torch.tensor([len(own)], device=own.device))
    sizes = [int(count) for count in torch.cat(counts).tolist()]
    return JoinedRows(_AllGatherRows.apply(own, sizes), sum(sizes[: dist.get_rank()]))


@torch.no_grad()
def rows_of_all(own: Tensor, shared: bool) -> Tensor:
    """Rows for a figure, without gradient: those of all processes where they share a step, else this one's."""
    return all_gather_rows(own.detach()).rows if shared else own.detach()


def all_reduce_sum(own: Tensor) -> Tensor:
    """The sum of a tensor over all processes, without gradient; ``own`` stays as it is."""
    total = own.detach().clone()
    if world_size() > 1:
        dist.all_reduce(total)
    return total


class _AllGatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor, sizes: list[int]) -> Tensor:
        rank = dist.get_rank()
        ctx.rows = slice(sum(sizes[:rank]), sum(sizes[: rank + 1]))
        # Collectives want equal shapes: short ranks are padded, and the padding is cut off again.
        padded = own.new_zeros((max(sizes), *own.shape[1:]))
        padded[: len(own)] = own
        return torch.cat([rows[:size] for rows, size in zip(_all_gather(padded), sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total[ctx.rows], None


def _all_gather(own: Tensor) -> list[Tensor]:
    parts = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, own.contiguous())
    return parts

"""Batch norms: eval mode for a while, statistics that are kept, and statistics over the rows of all processes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ppkt_zoo.backbones.twins import eval_twin
from ppkt_zoo.engine.distributed import all_gather_rows, all_reduce_sum, world_size
from ppkt_zoo.errors import TrainingError

__all__ = [
    "SynchronisedBatchNorm",
    "batch_norms",
    "eval_mode",
    "evaluating",
    "freeze_batch_norm",
    "normalise_over_ranks",
]

Network = TypeVar("Network", bound=nn.Module)

_TOGGLING = threading.RLock()


@contextmanager
def evaluating(module: Network) -> Iterator[Network]:
    """The network in eval mode for whoever runs what this gives; for all others it stays in the modes that it has.

    So threads may evaluate a network that others train. A network that holds a part which no twin can stand for is
    put into eval mode itself for the time, in one thread after another.
    """
    twin = eval_twin(module)
    if twin is not None:
        yield twin
        return
    with _TOGGLING, eval_mode(module):
        yield module


@contextmanager
def eval_mode(module: nn.Module) -> Iterator[None]:
    """Eval mode while open; afterwards every part has its own mode again, frozen batch norms too.

    All threads see it: where others may use the network meanwhile, :func:`evaluating` serves.
    """
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def batch_norms(module: nn.Module) -> list[_BatchNorm]:
    """All batch norms of a network."""
    return [part for part in module.modules() if isinstance(part, _BatchNorm)]


def freeze_batch_norm(module: nn.Module) -> None:
    """Batch norms go on with the statistics they have; to be called after each ``train()``."""
    for norm in batch_norms(module):
        norm.eval()


class SynchronisedBatchNorm(_BatchNorm):
    """Any of torch's batch norms, (B, C) or (B, C, …), with the statistics of all processes while training.

    torch's own SyncBatchNorm knows only GPUs.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Shapes: (B, C, …) → the same. Raises TrainingError as `normalise_over_ranks` does."""
        if self.training and world_size() > 1:
            return normalise_over_ranks(x, self)
        return super().forward(x)

    def _check_input_dim(self, input: Tensor) -> None:
        # Which shape the layer was made for is no longer known; the channels are checked by torch.
        return


def normalise_over_ranks(x: Tensor, norm: _BatchNorm) -> Tensor:
    """What ``norm`` gives in training for the rows of all processes joined, of which ``x`` are this process's.

    The gradient is exact and flows to the other processes' rows too; running statistics are brought up to date as
    by the joined batch. All processes must call it, each with as many rows as it has, even none.

    Args:
        x: (n, C) or (n, C, …), any floating dtype; statistics are at least float32, joined in float64.
        norm: the layer, in training mode.

    Raises:
        TrainingError: all processes together have fewer than two values a channel.
    """
    count, mean, variance = _joined_statistics(x)
    if count < 2:
        raise TrainingError(
            f"batch norm in training needs at least two voxels, and all processes together have {count} on a level "
            "of the network: the clouds of this batch are too small; use larger ones, more of them, or eval mode"
        )
    _track(norm, count, mean, variance)
    y: Tensor = _Normalise.apply(x, norm.weight, norm.bias, mean, variance, norm.eps, count)
    return y


@torch.no_grad()
def _joined_statistics(x: Tensor) -> tuple[int, Tensor, Tensor]:
    """Number of values a channel, their mean and their biased variance, float64 (C,), over all processes."""
    channels = x.shape[1]
    rows = _as_rows(x)
    mine = rows.new_zeros((1, 2 * channels + 1), dtype=torch.float64)
    mine[0, 0] = len(rows)
    if len(rows):
        variance, mean = torch.var_mean(rows, dim=0, correction=0)
        mine[0, 1:] = torch.cat((mean, variance))
    parts = all_gather_rows(mine).rows
    counts, means, variances = parts[:, :1], parts[:, 1 : channels + 1], parts[:, channels + 1 :]
    total = counts.sum()
    mean = (counts * means).sum(0) / total
    # Each process about its own mean, then the means about the joint one: no difference of large numbers.
    variance = (counts * (variances + (means - mean).square())).sum(0) / total
    return int(total), mean, variance


@torch.no_grad()
def _track(norm: _BatchNorm, count: int, mean: Tensor, variance: Tensor) -> None:
    if norm.running_mean is None or norm.running_var is None:
        return
    share = norm.momentum
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
        if share is None:
            share = 1 / float(norm.num_batches_tracked)
    assert share is not None
    for running, new in ((norm.running_mean, mean), (norm.running_var, variance * (count / (count - 1)))):
        running.mul_(1 - share).add_(new.to(running.dtype), alpha=share)


class _Normalise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        mean: Tensor,
        variance: Tensor,
        eps: float,
        count: int,
    ) -> Tensor:
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.eps, ctx.count = eps, count
        wide = torch.promote_types(x.dtype, torch.float32) if weight is None else weight.dtype
        return F.batch_norm(x, mean.to(wide), variance.to(wide), weight, bias, training=False, eps=eps)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, variance = ctx.saved_tensors
        dy, centred = _as_rows(gradient), _as_rows(x)
        inverse = torch.rsqrt(variance + ctx.eps).to(dy.dtype)
        centred = (centred - mean.to(dy.dtype)) * inverse
        # What this process's rows say about bias and weight; DDP takes the mean of these itself.
        sums = torch.stack((dy.sum(0), (dy * centred).sum(0)))
        of_bias, of_weight = (all_reduce_sum(sums.double()) / ctx.count).to(dy.dtype)
        scale = inverse if weight is None else inverse * weight
        dx = (dy - of_bias - centred * of_weight) * scale
        back = dx.to(x.dtype).reshape(x.shape[0], *x.shape[2:], x.shape[1]).movedim(-1, 1)
        own = (None, None) if weight is None else (sums[1].to(weight.dtype), sums[0].to(weight.dtype))
        return back, *own, None, None, None, None


def _as_rows(x: Tensor) -> Tensor:
    """(n, C, …) → (n · …, C), at least float32."""
    rows = x.movedim(1, -1).reshape(-1, x.shape[1])
    return rows if rows.dtype == torch.float64 else rows.float()

"""Batch norms and modes: eval mode for a while, by a network's twin, and statistics over the rows of all processes.

``module.eval()`` is seen by everybody who holds the network, so a thread that evaluates would disturb a thread that
trains. A twin has the same tensors, buffers and hooks under module objects of its own, which are in eval mode; it costs
a few microseconds a module and is thrown away afterwards.
"""

import functools
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ppkt_zoo.engine.distributed import all_gather_rows, all_reduce_sum, world_size
from ppkt_zoo.errors import TrainingError

__all__ = [
    "SynchronisedBatchNorm",
    "batch_norms",
    "eval_mode",
    "eval_twin",
    "evaluating",
    "freeze_batch_norm",
    "normalise_over_ranks",
]

Network = TypeVar("Network", bound=nn.Module)

# Under this name a twin's __dict__ has the module that it stands for.
_ORIGINAL = "_twin_of"
# What torch itself keeps in every module, tensors and hooks among it: shared as it is.
_SHARED = frozenset(nn.Module().__dict__)
# Containers that are looked through for modules; longer ones hold data.
_LONGEST = 256


_TOGGLING = threading.RLock()


class _Twin:
    """What the class of a twin adds to the class of its module.

    Hooks may keep books by module (``names[module]``) and put things on modules (``module.seen = ...``): a twin
    equals the module that it stands for, and what is set on it is set there too.
    """

    def __init_subclass__(cls) -> None:
        """A class may count or check its heirs; a twin is none."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name != "training":
            meant = value.__dict__[_ORIGINAL] if isinstance(value, _Twin) else value
            setattr(self.__dict__[_ORIGINAL], name, meant)

    def __eq__(self, other: object) -> bool:
        mine = self.__dict__[_ORIGINAL]
        return mine is (other.__dict__[_ORIGINAL] if isinstance(other, _Twin) else other)

    def __hash__(self) -> int:
        return hash(self.__dict__[_ORIGINAL])

    def __del__(self) -> None:
        """What the module would clean up is still in use."""


def eval_twin(module: Network) -> Network | None:
    """A twin of a network in eval mode, or None where a part of it hides what it runs (TorchScript, compiled parts)."""
    parts = list(module.modules())
    if any(_hides(part) for part in parts):
        return None
    twins = {id(part): cast(nn.Module, object.__new__(_twin_class(type(part)))) for part in parts}
    for part in parts:
        state = dict(part.__dict__)
        twins[id(part)].__dict__.update(
            {name: value if name in _SHARED else _moved(value, twins) for name, value in state.items()},
            _modules={name: child if child is None else twins[id(child)] for name, child in part._modules.items()},
            training=False,
            _compiled_call_impl=None,
            **{_ORIGINAL: part},
        )
    return cast(Network, twins[id(module)])


def _hides(part: nn.Module) -> bool:
    """Whether a module runs something that holds on to the module itself where nobody can see it."""
    if isinstance(part, torch.jit.ScriptModule):
        return True
    own = part.__dict__.get("forward")
    return own is not None and not isinstance(own, types.MethodType | functools.partial)


_CLASSES: WeakKeyDictionary[type, type] = WeakKeyDictionary()


def _twin_class(kind: type) -> type:
    found = _CLASSES.get(kind)
    if found is None:
        names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
        found = types.new_class(kind.__name__, (_Twin, kind), exec_body=lambda body: body.update(names))
        _CLASSES[kind] = found
    return found


def _moved(value: Any, twins: dict[int, nn.Module], depth: int = 4) -> Any:
    """An attribute, with the twins in place of the modules that it holds on to, so many containers deep."""
    if depth == 0:
        return value
    if isinstance(value, nn.Module):
        return twins.get(id(value), value)
    if isinstance(value, types.MethodType):
        owner = _moved(value.__self__, twins, depth - 1)
        return value if owner is value.__self__ else types.MethodType(value.__func__, owner)
    if isinstance(value, functools.partial):
        parts = (value.func, *value.args, *value.keywords.values())
        moved = [_moved(part, twins, depth - 1) for part in parts]
        if all(new is old for new, old in zip(moved, parts, strict=True)):
            return value
        run, *given = moved
        named = dict(zip(value.keywords, given[len(value.args) :], strict=True))
        return functools.partial(run, *given[: len(value.args)], **named)
    if (type(value) is list or type(value) is tuple) and len(value) <= _LONGEST:
        ones = [_moved(one, twins, depth - 1) for one in value]
        if all(new is old for new, old in zip(ones, value, strict=True)):
            return value
        return tuple(ones) if isinstance(value, tuple) else ones
    if type(value) is dict and len(value) <= _LONGEST:
        inside = {name: _moved(one, twins, depth - 1) for name, one in value.items()}
        return value if all(inside[name] is value[name] for name in value) else inside
    return value


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
    track_statistics(norm, count, mean, variance)
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
def track_statistics(norm: _BatchNorm, count: int, mean: Tensor, variance: Tensor) -> None:
    """Let a batch norm remember what its rows were like, ``count`` of them; the variance (C,) is the biased one."""
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

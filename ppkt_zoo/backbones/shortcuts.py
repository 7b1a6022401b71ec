"""The short cuts of inference, and when a network may take them.

Without gradients a batch norm is folded into what stands before it, sums are written into what is there already, and
rows go through in parts. Whoever hooks on to a module, or has put another in its place (an adapter, an offloading
wrapper), must find it called as any module is, with an output that is its own and stays as it was.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.module import _has_any_global_hook

from ppkt_zoo.errors import InputError

__all__ = ["foldable", "folded", "is_hooked", "is_inference", "is_plain_linear", "minding_hooks", "outputs_are_kept"]

_kept: ContextVar[bool] = ContextVar("_kept", default=False)


def is_inference(module: nn.Module) -> bool:
    """Whether a module may take the short cuts of inference: eval mode, no gradients."""
    return not module.training and not torch.is_grad_enabled()


def is_hooked(module: nn.Module) -> bool:
    """Whether somebody hangs on to the calls of a module: by hooks, or by a forward of the instance's own."""
    state = module.__dict__
    return bool(
        state["_forward_hooks"]
        or state["_forward_pre_hooks"]
        or state["_backward_hooks"]
        or state["_backward_pre_hooks"]
        or "forward" in state
        or _has_any_global_hook()
    )


def foldable(norm: nn.Module) -> bool:
    """Whether :func:`folded` may stand for a module: one of torch's batch norms or ours, as it was made."""
    whose = type(norm).forward.__module__.partition(".")[0]
    return isinstance(norm, _BatchNorm) and whose in ("torch", "ppkt_zoo") and not is_hooked(norm)


def is_plain_linear(linear: nn.Module) -> bool:
    """Whether a product with the weight may stand for a module: torch's linear layer without bias, as it was made."""
    return type(linear).forward is nn.Linear.forward and linear.bias is None and not is_hooked(linear)


def folded(norm: _BatchNorm) -> tuple[Tensor, Tensor]:
    """What a batch norm in eval mode does, as scale (C,) and bias (C,)."""
    if norm.running_mean is None or norm.running_var is None:
        raise InputError("a batch norm without running statistics cannot run in eval mode")
    scale = torch.rsqrt(norm.running_var + norm.eps)
    if norm.weight is None:
        return scale, -norm.running_mean * scale
    scale = norm.weight * scale
    return scale, norm.bias - norm.running_mean * scale


@contextmanager
def minding_hooks(module: nn.Module) -> Iterator[None]:
    """Context in which no output of a module inside is written over, where one of them has a forward hook."""
    tapped = _has_any_global_hook() or any(part._forward_hooks for part in module.modules())
    before = _kept.set(tapped)
    try:
        yield
    finally:
        _kept.reset(before)


def outputs_are_kept() -> bool:
    """Whether somebody may hold on to the outputs of modules; see :func:`minding_hooks`."""
    return _kept.get()

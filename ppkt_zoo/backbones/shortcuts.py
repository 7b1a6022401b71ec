"""The short cuts of inference, when a network may take them, and methods that torch.compile leaves as they are.

Without gradients a batch norm is folded into what stands before it, sums are written into what is there already, and
rows go through in parts. Whoever hooks on to a module, or has put another in its place (an adapter, an offloading
wrapper), must find it called as any module is, with an output that is its own and stays as it was.
"""

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ParamSpec, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.module import _has_any_global_hook

from ppkt_zoo.errors import InputError
from ppkt_zoo.sparse import RowsLinear

_kept: ContextVar[bool] = ContextVar("_kept", default=False)

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


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
    """Whether a product with the weight may stand for a module: a linear layer without bias, as it was made."""
    plain = type(linear).forward in (nn.Linear.forward, RowsLinear.forward)
    return plain and linear.bias is None and not is_hooked(linear)


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


def uncompiled(method: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """As ``torch.compiler.disable``, which would import the compiler (seconds) whether or not anything is compiled.

    A network on voxels looks at its coordinates to decide what it computes: nothing of it is a fixed graph, and tracing
    it ends in errors inside the compiler. Its engines are fast as they stand.
    """
    disabled: Callable[Arguments, Result] | None = None

    @functools.wraps(method)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        nonlocal disabled
        if "torch._dynamo" not in sys.modules:
            return method(*args, **kwargs)
        if disabled is None:
            disabled = cast("Callable[Arguments, Result]", torch.compiler.disable(method))
        return disabled(*args, **kwargs)

    return run

"""A network's twin: the same tensors, buffers and hooks under module objects of their own, which are in eval mode.

``module.eval()`` is seen by everybody who holds the network, so a thread that evaluates would disturb a thread that
trains. A twin costs a few microseconds a module and is thrown away afterwards.
"""

import functools
import types
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

import torch
from torch import nn

__all__ = ["eval_twin"]

Network = TypeVar("Network", bound=nn.Module)

# Under this name a twin's __dict__ has the module that it stands for.
_ORIGINAL = "_twin_of"
# What torch itself keeps in every module, tensors and hooks among it: shared as it is.
_SHARED = frozenset(nn.Module().__dict__)
# Containers that are looked through for modules; longer ones hold data.
_LONGEST = 256


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

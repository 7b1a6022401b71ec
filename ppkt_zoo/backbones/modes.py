"""Modes of a network: eval for a while, and batch norms that keep the statistics they have."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ppkt_zoo.backbones.twins import eval_twin

__all__ = ["batch_norms", "eval_mode", "evaluating", "freeze_batch_norm"]

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

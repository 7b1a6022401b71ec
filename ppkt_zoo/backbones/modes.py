"""Modes of a network: eval for a while, and batch norms that keep the statistics they have."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["batch_norms", "eval_mode", "freeze_batch_norm"]


@contextmanager
def eval_mode(module: nn.Module) -> Iterator[None]:
    """Eval mode while open; afterwards every part has its own mode again, frozen batch norms too."""
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

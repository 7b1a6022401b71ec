"""What the processes of a run must agree on: whether a step can be taken, what its loss was, whether to stop."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from accelerate import Accelerator
from torch import Tensor

from ppkt_zoo.engine.distributed import all_reduce_sum, world_size

_Any = TypeVar("_Any")


def sum_counts(own: Sequence[int], accelerator: Accelerator) -> list[int]:
    """Each count summed over all processes, the same for all: what one of them decides by it, all decide."""
    return [int(count) for count in all_reduce_sum(torch.tensor(own, device=accelerator.device)).tolist()]


def mean_over_ranks(own: Tensor) -> float:
    """The mean of a number over all processes: the loss of the joined batch."""
    return float(all_reduce_sum(own.float())) / world_size()


def mean_figures(own: Mapping[str, float], weight: float) -> dict[str, float]:
    """Figures of a step over all processes: of each, the mean over those that have it, by their weights.

    Args:
        own: of this process.
        weight: how much it had to learn from, such as its pairs.
    """
    if world_size() == 1:
        return dict(own)
    everyone = _of_all((dict(own), float(weight)))
    means = {}
    for name in dict.fromkeys(name for figures, _ in everyone for name in figures):
        parts = [(figures[name], share) for figures, share in everyone if name in figures]
        total = sum(share for _, share in parts)
        means[name] = (
            sum(value * share for value, share in parts) / total
            if total
            else sum(value for value, _ in parts) / len(parts)
        )
    return means


def lines_of_all(own: Sequence[str]) -> list[str]:
    """Lines of all processes in the order of their ranks."""
    return [line for lines in _of_all(list(own)) for line in lines] if world_size() > 1 else list(own)


def _of_all(own: _Any) -> list[_Any]:
    everyone: list[Any] = [None] * world_size()
    dist.all_gather_object(everyone, own)
    return everyone


def agree_to_stop(own: bool, accelerator: Accelerator | None) -> bool:
    """Whether any process was asked to stop; signals reach processes at different times."""
    if accelerator is None or world_size() == 1:
        return own
    asked = torch.tensor(float(own), device=accelerator.device)
    dist.all_reduce(asked)
    return float(asked) > 0

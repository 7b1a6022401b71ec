"""What the processes of a run must agree on: whether a step can be taken, what its loss was, whether to stop."""

import torch
import torch.distributed as dist
from accelerate import Accelerator
from torch import Tensor

from ppkt_zoo.collectives import count_of_ranks, sum_over_ranks

__all__ = ["agree_to_stop", "everyone_has", "mean_over_ranks"]


def everyone_has(own: bool, accelerator: Accelerator) -> bool:
    """Whether all processes have something to learn from; else none may take the step, or the others would wait."""
    if count_of_ranks() == 1:
        return own
    missing = torch.tensor(float(not own), device=accelerator.device)
    return float(sum_over_ranks(missing)) == 0


def mean_over_ranks(own: Tensor) -> float:
    """The mean of a number over all processes: the loss of the joined batch."""
    return float(sum_over_ranks(own.float())) / count_of_ranks()


def agree_to_stop(own: bool, accelerator: Accelerator) -> bool:
    """Whether any process was asked to stop; signals reach processes at different times."""
    if count_of_ranks() == 1:
        return own
    asked = torch.tensor(float(own), device=accelerator.device)
    dist.all_reduce(asked)
    return float(asked) > 0

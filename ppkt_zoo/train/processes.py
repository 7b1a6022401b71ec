"""What the processes of a run must agree on: whether a step can be taken, what its loss was, whether to stop."""

from collections.abc import Sequence

import torch
import torch.distributed as dist
from accelerate import Accelerator
from torch import Tensor

from ppkt_zoo.collectives import count_of_ranks, sum_over_ranks

__all__ = ["agree_to_stop", "mean_over_ranks", "sum_counts"]


def sum_counts(own: Sequence[int], accelerator: Accelerator) -> list[int]:
    """Each count summed over all processes, the same for all: what one of them decides by it, all decide."""
    return [int(count) for count in sum_over_ranks(torch.tensor(own, device=accelerator.device)).tolist()]


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

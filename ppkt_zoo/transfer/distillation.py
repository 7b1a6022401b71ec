"""Baselines of PPKT that do without negatives: regression pixel by pixel, distillation of whole images.

With ``gather`` each process returns its rows' part of the mean over all processes' rows, times their number: see
`losses`.
"""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from ppkt_zoo.engine.distributed import count_of_ranks, sum_over_ranks
from ppkt_zoo.errors import InputError
from ppkt_zoo.transfer.metrics import at_least_float32

__all__ = ["DistillationKind", "global_distillation", "pixelwise_cosine", "pixelwise_l2", "pool_by_cloud"]

DistillationKind = Literal["l2", "kl"]


def pixelwise_l2(predictions: Tensor, targets: Tensor, *, gather: bool = False) -> Tensor:
    """Squared distance of each pair's prediction to its target, summed over channels, mean over pairs.

    The regression of the teacher's features pixel by pixel that PPKT compares itself with.

    Args:
        predictions: (N, C), from the student's points.
        targets: (N, C), of the frozen teacher; no gradient goes there, or both sides could agree on a constant.
        gather: mean over the pairs of all processes.

    Raises:
        InputError: shapes differ, or there is no pair.
    """
    predictions, targets = _regression(predictions, targets, gather)
    return _mean_of_rows((predictions - targets).square().sum(1), gather)


def pixelwise_cosine(predictions: Tensor, targets: Tensor, *, gather: bool = False) -> Tensor:
    """1 − cosine of each pair's prediction and target, mean over pairs: 0 where all agree, at most 2.

    The arguments and errors are those of `pixelwise_l2`; lengths do not matter.
    """
    predictions, targets = _regression(predictions, targets, gather)
    return _mean_of_rows(1 - F.cosine_similarity(predictions, targets, dim=1), gather)


def global_distillation(
    student_pooled: Tensor,
    teacher_pooled: Tensor,
    kind: DistillationKind = "l2",
    temperature: float = 1.0,
    *,
    gather: bool = False,
) -> Tensor:
    """One vector for each cloud against one for its image: the baselines of PPKT that know of no pixels.

    Args:
        student_pooled: (B, C), from `pool_by_cloud`.
        teacher_pooled: (B, C), of the frozen teacher; no gradient.
        kind: "l2", squared distance summed over channels (Gupta et al. 2016, arXiv 1507.00448), or "kl",
            t² KL(softmax(teacher / t) ‖ softmax(student / t)) (Hinton et al. 2015, arXiv 1503.02531, section 2).
        temperature: t of "kl".
        gather: mean over the clouds of all processes.

    Raises:
        InputError: shapes differ, there is no cloud, or kind or temperature are not as above.
    """
    if kind not in get_args(DistillationKind):
        raise InputError(f'kind of distillation must be "l2" or "kl", got {kind!r}')
    if not temperature > 0:
        raise InputError(f"temperature must be positive, got {temperature}")
    student, teacher = _regression(student_pooled, teacher_pooled, gather)
    if kind == "l2":
        return _mean_of_rows((student - teacher).square().sum(1), gather)
    with torch.autocast(student.device.type, enabled=False):
        want = F.log_softmax(teacher / temperature, dim=1)
        have = F.log_softmax(student / temperature, dim=1)
        rows = F.kl_div(have, want, reduction="none", log_target=True).sum(1)
    return _mean_of_rows(temperature**2 * rows, gather)


def pool_by_cloud(features: Tensor, cloud: Tensor, clouds: int) -> Tensor:
    """Mean of the features (N, C) of each cloud → (clouds, C), float32 or wider; ``cloud`` int64 (N,) says whose.

    Raises:
        InputError: shapes do not fit, or a cloud has no row.
    """
    if features.ndim != 2 or cloud.shape != features.shape[:1]:
        raise InputError(
            f"features must be (N, C) and cloud (N,), got {tuple(features.shape)} and {tuple(cloud.shape)}"
        )
    counts = torch.bincount(cloud, minlength=clouds)
    if len(counts) != clouds or not bool((counts > 0).all()):
        raise InputError(f"each of {clouds} clouds needs a row to take the mean of, got {counts.tolist()} rows")
    wide = at_least_float32(features)
    return wide.new_zeros((clouds, wide.shape[1])).index_add(0, cloud, wide) / counts.unsqueeze(1)


def _mean_of_rows(rows: Tensor, gather: bool) -> Tensor:
    """The mean of (n,) numbers over the rows of all processes, as one rank's part."""
    ranks = count_of_ranks() if gather else 1
    if ranks == 1:
        return rows.mean()
    total = int(sum_over_ranks(torch.tensor(len(rows), device=rows.device)))
    if total == 0:
        raise InputError("no process has a row to take the mean of")
    return rows.sum() * (ranks / total)


def _regression(predictions: Tensor, targets: Tensor, gather: bool) -> tuple[Tensor, Tensor]:
    """Both sides at least float32, the targets cut off from their gradient."""
    if predictions.ndim != 2 or predictions.shape != targets.shape:
        raise InputError(
            f"predictions and targets must both be (N, C), got {tuple(predictions.shape)} and {tuple(targets.shape)}"
        )
    if len(predictions) == 0 and not (gather and count_of_ranks() > 1):
        raise InputError("there is no row to compare: predictions and targets are empty")
    return at_least_float32(predictions), at_least_float32(targets.detach())

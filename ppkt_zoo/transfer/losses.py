"""The contrast of pairs, PPKT's own loss; the other losses stand in `distillation`, the figures in `retrieval`.

Every loss has a switch ``gather`` for several processes: the loss is then that of the batch of all processes joined.
Each process returns its rows' part times the number of processes, so the mean over processes, which is what DDP takes
of gradients, is the value and the gradient that one process with the joined batch would have.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ppkt_zoo.engine.distributed import count_of_ranks, join_rows
from ppkt_zoo.errors import InputError
from ppkt_zoo.transfer.distillation import (
    DistillationKind,
    global_distillation,
    pixelwise_cosine,
    pixelwise_l2,
    pool_by_cloud,
)
from ppkt_zoo.transfer.metrics import at_least_float32, check_pairs, embedding_rank, retrieval_accuracy

__all__ = [
    "Contrast",
    "DistillationKind",
    "contrast_pairs",
    "embedding_rank",
    "global_distillation",
    "pixel_to_point_nce",
    "pixelwise_cosine",
    "pixelwise_l2",
    "pool_by_cloud",
    "retrieval_accuracy",
]


class Contrast(NamedTuple):
    """An NCE: the loss, a scalar with gradient, and the share of this process's negatives that were left out."""

    loss: Tensor
    masked: Tensor


def pixel_to_point_nce(
    point_embeddings: Tensor,
    pixel_embeddings: Tensor,
    temperature: float,
    *,
    symmetric: bool = False,
    teacher: Tensor | None = None,
    false_negative_similarity: float | None = None,
    gather: bool = False,
) -> Tensor:
    """PPKT's loss (arXiv 2104.04687, section 3): each point must find its own pixel among all N.

    L = -1/N sum_i log( exp(p_i·q_i / t) / sum_j exp(p_i·q_j / t) ), one direction, no memory bank. Embeddings
    that say nothing give ln N. The arguments and errors are those of `contrast_pairs`.

    Returns:
        The loss, a scalar, computed in float32 (float64 where both are) whatever autocast says.
    """
    return contrast_pairs(
        point_embeddings,
        pixel_embeddings,
        temperature,
        symmetric=symmetric,
        teacher=teacher,
        false_negative_similarity=false_negative_similarity,
        gather=gather,
    ).loss


def contrast_pairs(
    anchors: Tensor,
    candidates: Tensor,
    temperature: float,
    *,
    symmetric: bool = False,
    teacher: Tensor | None = None,
    false_negative_similarity: float | None = None,
    gather: bool = False,
) -> Contrast:
    """The NCE of pairs: each anchor must find its own candidate among those of all pairs.

    With points and their pixels it is PPKT's loss; with the points of two views of a scene, matched, it is
    PointContrast's PointInfoNCE (Xie et al. 2020, arXiv 2007.10985).

    Args:
        anchors: (N, D) of length 1; row i and row i of the candidates are a pair.
        candidates: (N, D) of length 1.
        temperature: t, positive.
        symmetric: the mean of both directions, so each candidate must find its anchor too.
        teacher: (N, C), what the frozen teacher itself says at each pair; any length, no gradient.
        false_negative_similarity: negatives j of row i are left out of its sum where the teacher's features of
            i and j have a cosine above this: pairs of one class act as false negatives (SLidR, arXiv
            2203.16258; OLIVINE, arXiv 2405.14271). The own candidate always stays.
        gather: candidates are those of all processes; N may differ from one to another, or be 0 on some.

    Raises:
        InputError: shapes differ, fewer than two pairs, a temperature that is not positive, a threshold outside
            [-1, 1], or only one of ``teacher`` and ``false_negative_similarity``.
    """
    ranks = count_of_ranks() if gather else 1
    check_pairs(anchors, candidates, fewest=2 if ranks == 1 else 0)
    _check_settings(len(anchors), temperature, teacher, false_negative_similarity)
    with torch.autocast(anchors.device.type, enabled=False):
        own, paired = at_least_float32(anchors), at_least_float32(candidates)
        # Both sides travel together: one collective, and no order of two backward passes to agree on.
        every, first = join_rows(torch.cat((own, paired), dim=1)) if ranks > 1 else (torch.cat((own, paired), 1), 0)
        every_own, every_paired = every.split(own.shape[1], dim=1)
        if len(every) < 2:
            raise InputError(f"a contrast needs at least two pairs, all processes together have {len(every)}")
        same: Tensor | None = None
        if teacher is not None and false_negative_similarity is not None:
            same = _false_negatives(teacher, false_negative_similarity, first, ranks)
        loss = _nce(own, every_paired, temperature, same, first, ranks)
        if symmetric:
            loss = (loss + _nce(paired, every_own, temperature, same, first, ranks)) / 2
    if same is None:
        return Contrast(loss, loss.new_zeros(()))
    return Contrast(loss, same.sum() / max(len(own) * (len(every) - 1), 1))


def _nce(
    anchors: Tensor, candidates: Tensor, temperature: float, same: Tensor | None, first: int, ranks: int
) -> Tensor:
    """Cross entropy of row i against candidate first + i, the mean over all processes' rows as one rank's part."""
    scores = (anchors / temperature) @ candidates.T
    if same is not None:
        scores = scores.masked_fill(same, -torch.inf)
    own = torch.arange(first, first + len(anchors), device=anchors.device)
    if ranks == 1:
        return F.cross_entropy(scores, own)
    return F.cross_entropy(scores, own, reduction="sum") * (ranks / len(candidates))


@torch.no_grad()
def _false_negatives(teacher: Tensor, threshold: float, first: int, ranks: int) -> Tensor:
    """bool (n, N): whether the teacher takes this process's row i and row j of all for the same thing."""
    own = F.normalize(at_least_float32(teacher), dim=1)
    every = join_rows(own).rows if ranks > 1 else own
    same = own @ every.T > threshold
    same.diagonal(first).fill_(False)
    return same


def _check_settings(pairs: int, temperature: float, teacher: Tensor | None, threshold: float | None) -> None:
    if not temperature > 0:
        raise InputError(f"temperature must be positive, got {temperature}")
    if (teacher is None) != (threshold is None):
        raise InputError("masking false negatives needs both teacher and false_negative_similarity, one is missing")
    if threshold is not None and not -1 <= threshold <= 1:
        raise InputError(f"false_negative_similarity is a cosine from -1 to 1, got {threshold}")
    if teacher is not None and (teacher.ndim != 2 or len(teacher) != pairs):
        raise InputError(f"teacher must be (N, C) with a row for each of {pairs} pairs, got {tuple(teacher.shape)}")

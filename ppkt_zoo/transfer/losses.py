"""PPKT's contrast of pairs with its figures, and the baselines without negatives: by pixel, and by whole image.

Every loss has a switch ``gather`` for several processes: the loss is then that of the batch of all processes joined.
Each process returns its rows' part times the number of processes, so the mean over processes, which is what DDP takes
of gradients, is the value and the gradient that one process with the joined batch would have.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from ppkt_zoo.engine.distributed import all_gather_rows, all_reduce_sum, world_size
from ppkt_zoo.errors import InputError

DistillationKind = Literal["l2", "kl"]


@torch.no_grad()
def retrieval_accuracy(
    point_embeddings: Tensor, pixel_embeddings: Tensor, k: Sequence[int] = (1, 5), chunk: int = 4096
) -> dict[str, float]:
    """Share of points whose own pixel is among the k most similar of all N: ``{"top1": …, "top5": …}``.

    Ties count as if broken at random, so embeddings that all coincide score k / N, not 1. Works on ``chunk``
    points at a time: chunk x N numbers in memory. Raises InputError as `contrast_pairs` does.
    """
    check_pairs(point_embeddings, pixel_embeddings)
    with torch.autocast(point_embeddings.device.type, enabled=False):
        points, pixels = at_least_float32(point_embeddings), at_least_float32(pixel_embeddings)
        hits = torch.zeros(len(k), dtype=torch.float64)
        for start in range(0, len(points), chunk):
            similarity = points[start : start + chunk] @ pixels.T
            own = similarity.diagonal(start).unsqueeze(1)
            better = (similarity > own).sum(1)
            tied = (similarity == own).sum(1)
            for i, top in enumerate(k):
                hits[i] += ((top - better) / tied).clamp(0, 1).sum().double().cpu()
    return {f"top{top}": float(hits[i]) / len(points) for i, top in enumerate(k)}


@torch.no_grad()
def embedding_rank(embeddings: Tensor) -> float:
    """Effective rank of embeddings (N, D): exp of the entropy of the normalised singular values.

    Between 1 (all rows on one line: collapsed) and min(N, D). Roy and Vetterli, "The effective rank", EUSIPCO
    2007; as a measure of self-supervised features: Garrido et al., RankMe, arXiv 2210.02885.
    """
    if embeddings.ndim != 2 or 0 in embeddings.shape:
        raise InputError(f"embeddings must be (N, D) with at least one row, got {tuple(embeddings.shape)}")
    values = torch.linalg.svdvals(embeddings.double())
    shares = values / values.sum().clamp_min(torch.finfo(values.dtype).tiny)
    return float(torch.exp(torch.special.entr(shares).sum()))


def at_least_float32(x: Tensor) -> Tensor:
    """float64 as it is, everything else in float32."""
    return x if x.dtype == torch.float64 else x.float()


def check_pairs(points: Tensor, pixels: Tensor, fewest: int = 2) -> None:
    """Raise InputError where two sides are not both (N, D) with N at least ``fewest``."""
    if points.ndim != 2 or points.shape != pixels.shape:
        raise InputError(
            f"point and pixel embeddings must both be (N, D), got {tuple(points.shape)} and {tuple(pixels.shape)}"
        )
    if len(points) < fewest:
        raise InputError(f"a contrast needs at least two pairs, got {len(points)}")


class Contrast(NamedTuple):
    """An NCE: the loss, a scalar with gradient, and the share of this process's negatives that were left out."""

    loss: Tensor
    masked: Tensor


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

    L = -1/N sum_i log( exp(a_i·c_i / t) / sum_j exp(a_i·c_j / t) ), in float32 (float64 where both are) whatever
    autocast says; embeddings that say nothing give ln N. With points and their pixels it is PPKT's loss (arXiv
    2104.04687, section 3); with the points of two views of a scene, matched, it is PointContrast's PointInfoNCE (Xie et
    al. 2020, arXiv 2007.10985).

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
    ranks = world_size() if gather else 1
    check_pairs(anchors, candidates, fewest=2 if ranks == 1 else 0)
    _check_settings(len(anchors), temperature, teacher, false_negative_similarity)
    with torch.autocast(anchors.device.type, enabled=False):
        own, paired, every_own, every_paired, first = joined_pairs(anchors, candidates, ranks)
        same: Tensor | None = None
        if teacher is not None and false_negative_similarity is not None:
            same = _false_negatives(teacher, false_negative_similarity, first, ranks)
        loss = _nce(own, every_paired, temperature, same, first, ranks)
        if symmetric:
            loss = (loss + _nce(paired, every_own, temperature, same, first, ranks)) / 2
    if same is None:
        return Contrast(loss, loss.new_zeros(()))
    return Contrast(loss, same.sum() / max(len(own) * (len(every_own) - 1), 1))


def joined_pairs(
    anchors: Tensor, candidates: Tensor, ranks: int, what: str = "pairs"
) -> tuple[Tensor, Tensor, Tensor, Tensor, int]:
    """Both sides of a contrast in float32 or wider, both sides of all processes, and where this one's rows begin there.

    Raises:
        InputError: all processes together have fewer than two.
    """
    own, paired = at_least_float32(anchors), at_least_float32(candidates)
    # Both sides travel together: one collective, and no order of two backward passes to agree on.
    both = torch.cat((own, paired), dim=1)
    every, first = all_gather_rows(both) if ranks > 1 else (both, 0)
    if len(every) < 2:
        raise InputError(f"a contrast needs at least two {what}, all processes together have {len(every)}")
    every_own, every_paired = every.split(own.shape[1], dim=1)
    return own, paired, every_own, every_paired, first


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
    every = all_gather_rows(own).rows if ranks > 1 else own
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
    ranks = world_size() if gather else 1
    if ranks == 1:
        return rows.mean()
    total = int(all_reduce_sum(torch.tensor(len(rows), device=rows.device)))
    if total == 0:
        raise InputError("no process has a row to take the mean of")
    return rows.sum() * (ranks / total)


def _regression(predictions: Tensor, targets: Tensor, gather: bool) -> tuple[Tensor, Tensor]:
    """Both sides at least float32, the targets cut off from their gradient."""
    if predictions.ndim != 2 or predictions.shape != targets.shape:
        raise InputError(
            f"predictions and targets must both be (N, C), got {tuple(predictions.shape)} and {tuple(targets.shape)}"
        )
    if len(predictions) == 0 and not (gather and world_size() > 1):
        raise InputError("there is no row to compare: predictions and targets are empty")
    return at_least_float32(predictions), at_least_float32(targets.detach())

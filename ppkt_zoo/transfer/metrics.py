"""The figures that show whether a contrast teaches anything: retrieval of the right partner, and rank."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ppkt_zoo.errors import InputError

__all__ = ["at_least_float32", "check_pairs", "embedding_rank", "retrieval_accuracy"]


@torch.no_grad()
def retrieval_accuracy(
    point_embeddings: Tensor, pixel_embeddings: Tensor, k: Sequence[int] = (1, 5), chunk: int = 4096
) -> dict[str, float]:
    """Share of points whose own pixel is among the k most similar of all N: ``{"top1": …, "top5": …}``.

    Ties count as if broken at random, so embeddings that all coincide score k / N, not 1. Works on ``chunk``
    points at a time: chunk x N numbers in memory. Raises InputError as `losses.pixel_to_point_nce` does.
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

"""Which of a frame's points become pairs: all alike, or so that dense regions do not drown the rest.

A camera sees what is near with many more pixels than what is far, so uniform choice is dominated by dense regions
(SLidR, arXiv 2203.16258; OLIVINE, arXiv 2405.14271, sample by region or by inverse density instead).
"""

from typing import Literal, get_args

import numpy as np

from ppkt_zoo.errors import InputError

PairSampling = Literal["uniform", "inverse_density", "voxel"]


def choose_pairs(
    xyz: np.ndarray,
    candidates: np.ndarray,
    count: int,
    how: PairSampling = "uniform",
    voxel_size: float = 0.05,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """Choose ``count`` of the candidates, or all where there are fewer, none twice.

    Args:
        xyz: float (N, 3), metres, finite.
        candidates: int64 (M,), rows of ``xyz`` that may be chosen, none twice.
        count: how many.
        how: "uniform": each candidate alike. "inverse_density": each with a weight of 1 / number of candidates in
            its voxel, drawn one after the other without putting back, so every occupied voxel is about as likely.
            "voxel": a candidate from each of ``count`` voxels, voxels and candidates drawn uniformly; where fewer
            voxels are occupied, every one gives a candidate, then every one that has more gives a second, and so on
            until the last round draws its voxels again.
        voxel_size: edge of the voxels in metres, anchored at the smallest corner of the candidates.
        rng: where all randomness comes from; None for a fresh, unseeded generator.

    Returns:
        int64 (min(count, M),), rows of ``xyz`` in random order.

    Raises:
        InputError: shapes do not fit, a negative count, a voxel size that is not positive, or an unknown ``how``.
    """
    _check(xyz, candidates, count, how, voxel_size)
    rng = np.random.default_rng() if rng is None else rng
    size = min(count, len(candidates))
    if how == "uniform":
        return candidates[rng.choice(len(candidates), size=size, replace=False)]
    if size == 0:
        return candidates[:0]
    voxel = _voxels(xyz[candidates], voxel_size)
    if how == "inverse_density":
        # Exponential times with these rates: the first to ring are a draw by weight without putting back
        # (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006).
        order = rng.exponential(size=len(candidates)) * np.bincount(voxel)[voxel]
    else:
        order = _rounds(voxel, rng)
    first = np.argpartition(order, size - 1)[:size]
    return candidates[rng.permutation(first)]


def _rounds(voxel: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """For each candidate the round in which its voxel gives it, plus a random part below 1."""
    # Sorted by voxel and, as the part below 1 is random, shuffled inside each.
    by_voxel = np.argsort(voxel + rng.random(len(voxel)))
    counts = np.bincount(voxel)
    starts = np.cumsum(counts) - counts
    order = np.empty(len(voxel))
    order[by_voxel] = np.arange(len(voxel)) - np.repeat(starts, counts)
    return order + rng.random(len(voxel))


def _voxels(xyz: np.ndarray, size: float) -> np.ndarray:
    """The number of each point's voxel, int64 (M,), from 0 without gaps."""
    cell = np.floor((xyz - xyz.min(axis=0)) / size).astype(np.int64)
    lengths = cell.max(axis=0) + 1
    key = (cell[:, 0] * lengths[1] + cell[:, 1]) * lengths[2] + cell[:, 2]
    return np.unique(key, return_inverse=True)[1].reshape(-1)


def _check(xyz: np.ndarray, candidates: np.ndarray, count: int, how: str, voxel_size: float) -> None:
    if xyz.ndim != 2 or xyz.shape[1] != 3 or candidates.ndim != 1 or candidates.dtype.kind != "i":
        raise InputError(
            "xyz must be (N, 3) and candidates integers (M,), "
            f"got {xyz.shape} and {candidates.dtype} {candidates.shape}"
        )
    if count < 0:
        raise InputError(f"the number of pairs must be at least 0, got {count}")
    if how not in get_args(PairSampling):
        raise InputError(f"how pairs are chosen must be one of {', '.join(get_args(PairSampling))}, got {how!r}")
    if not 0 < voxel_size < np.inf:
        raise InputError(f"voxel_size must be positive metres, got {voxel_size}")

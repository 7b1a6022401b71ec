"""How dense a cloud is against the voxels of a weight, and which of its points are doubled or lie far off."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# So many points are enough to know the density; all those of some columns of the cloud, since thinning changes it.
_POINTS = 300_000
_COLUMN = 0.5
_VOXELS = 20_000
_GROWTH = 2.0
_WANTED = 4.0
_STEPS = 40
# So many times as far from the middle as nine points in ten, nothing belongs to the cloud any more.
_FAR = 10.0


class Density(NamedTuple):
    """Against voxels of one size.

    Attributes:
        per_voxel: points in an occupied voxel, on average.
        neighbours: occupied voxels among the 26 around an occupied one, on average. A surface that is scanned without
            gaps has 8 to 13; below 2 voxels stand alone and a network sees dust.
        spacing: metres between neighbouring points of a surface, roughly.
    """

    per_voxel: float
    neighbours: float
    spacing: float


def density_of(xyz: NDArray[np.floating], voxel: float) -> Density:
    """The density of a cloud (N, 3), N ≥ 1, in metres, against voxels with edges of so many metres."""
    points = _part(np.asarray(xyz, dtype=np.float64))
    keys, counts, strides = _occupied(points, voxel)
    some = keys[:: max(1, len(keys) // _VOXELS)]
    neighbours = np.zeros(len(some), dtype=np.int64)
    for offset in np.ndindex(3, 3, 3):
        if offset != (1, 1, 1):
            wanted = some + int((np.array(offset) - 1) @ strides)
            place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            neighbours += keys[place] == wanted
    return Density(float(counts.mean()), float(neighbours.mean()), _spacing(points, voxel))


def _part(xyz: NDArray[np.float64]) -> NDArray[np.float64]:
    """All points of some columns, chosen by their place alone; of a small cloud all points."""
    if len(xyz) <= _POINTS:
        return xyz
    column = np.floor((xyz[:, :2] - xyz[:, :2].min(axis=0)) / _COLUMN).astype(np.int64)
    # Fibonacci hashing: columns that stand side by side are as likely as any others.
    mixed = (column[:, 0] * 40_503 + column[:, 1]).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(40)
    order = np.sort(np.unique(mixed))
    share = order[min(len(order) - 1, max(0, int(len(order) * _POINTS / len(xyz))))]
    chosen = xyz[mixed <= share]
    return chosen if len(chosen) <= 4 * _POINTS else chosen[: 4 * _POINTS]


def _occupied(xyz: NDArray[np.float64], voxel: float) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The keys of occupied voxels, rising; how many points each has; and what a step along each axis adds to a key."""
    low = xyz.min(axis=0)
    # A cloud of a whole country on a grid of centimetres has more cells than numbers; far ones may share a key.
    cell = np.floor((xyz - low) / voxel).astype(np.int64) % (1 << 20)
    strides = np.array([1 << 42, 1 << 21, 1], dtype=np.int64)
    keys, counts = np.unique((cell + 1) @ strides, return_counts=True)
    return keys, counts, strides


def _spacing(xyz: NDArray[np.float64], voxel: float) -> float:
    """From voxels so large that they hold some points each: a surface has (edge / spacing)² of them in one."""
    edge = voxel
    for _ in range(_STEPS):
        _, counts, _ = _occupied(xyz, edge)
        if counts.mean() >= _WANTED or len(counts) <= 8:
            break
        edge *= _GROWTH
    return float(edge / np.sqrt(counts.mean()))


def doubled(xyz: NDArray[np.floating]) -> int:
    """How many rows stand at the very place of another row."""
    bits = np.ascontiguousarray(xyz, dtype=np.float64).view(np.uint64)
    mixed = bits[:, 0] * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= bits[:, 1] * np.uint64(0xC2B2AE3D27D4EB4F) ^ (mixed >> np.uint64(29))
    mixed ^= bits[:, 2] * np.uint64(0x165667B19E3779F9) ^ (mixed >> np.uint64(31))
    mixed.sort()
    return int((mixed[1:] == mixed[:-1]).sum())


def far_off(xyz: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which points (N,) lie so far from the rest that they belong to something else, or are wrong."""
    some = xyz[:: max(1, len(xyz) // _POINTS)]
    middle = np.median(some, axis=0)
    reach = _FAR * max(float(np.percentile(np.abs(some - middle).max(axis=1), 90)), 1e-12)
    found = np.zeros(len(xyz), dtype=bool)
    # Column by column: along rows of three numpy takes several times as long.
    for column, place in zip(xyz.T, middle, strict=True):
        found |= np.abs(column - place) > reach
    return found


def extent_of(xyz: NDArray[np.floating]) -> tuple[float, float, float]:
    """The lengths of the smallest box with edges along the axes."""
    wide, deep, tall = (float(column.max() - column.min()) for column in xyz.T)
    return wide, deep, tall

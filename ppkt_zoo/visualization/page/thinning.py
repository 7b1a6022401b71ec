"""Which points of a cloud a page shows: one of each small cube, as many as its budget allows."""

from typing import NamedTuple

import numpy as np

from ppkt_zoo.visualization.point_spacing import nearest_to_middle

# A page is content with this part of its budget.
_ENOUGH = 0.9
_AIM = 0.96
_ROUNDS, _BY_RULE = 16, 3
# Cubes along the longest side: at first, and at most.
_GUESS, _FINEST = 400, 1 << 19
# Of the points along each axis, this share on either side may lie apart.
_APART = 0.0005
# A point that lies this many times the rest's size away from the rest is a stray one.
_STRAY = 10.0


class Thinned(NamedTuple):
    """Rows that are shown, and why not the others.

    Attributes:
        rows: int64 (M,), rising.
        voxel: metres, edge of the cubes of which one point each is shown; None where all are shown.
        without_position: rows that are NaN or infinite.
        stray: points that lie so far off that they would shrink the rest to a dot.
    """

    rows: np.ndarray
    voxel: float | None
    without_position: int
    stray: int


def thin(xyz: np.ndarray, most: int) -> Thinned:
    """At most ``most`` points that stand for all of a cloud, of each occupied cube the one nearest its middle.

    Args:
        xyz: float (N, 3), metres; rows may be NaN, not all.
        most: how many at most.
    """
    finite = np.isfinite(xyz).all(axis=1)
    rows = np.flatnonzero(finite)
    place = xyz if len(rows) == len(xyz) else xyz[rows]
    near = _together(place)
    stray = int(len(near) - near.sum())
    if stray:
        rows, place = rows[near], place[near]
    without = int(len(xyz) - finite.sum())
    if len(rows) <= most:
        return Thinned(rows, None, without, stray)
    low = place.min(axis=0).astype(np.float64)
    extent = float((place.max(axis=0) - low).max())
    if not extent > 0:
        return Thinned(rows[:1], 0.0, without, stray)
    edge = _edge(place, low, extent, most)
    kept = nearest_to_middle(place, low, edge)
    return Thinned(rows[kept], edge, without, stray)


def _together(xyz: np.ndarray) -> np.ndarray:
    """bool (N,): False for points that lie far from all others, such as reflections."""
    if len(xyz) < 100:
        return np.ones(len(xyz), dtype=bool)
    low, high = np.quantile(xyz[:: max(1, len(xyz) // 500_000)], (_APART, 1 - _APART), axis=0)
    reach = _STRAY * float((high - low).max())
    if not reach > 0:
        return np.ones(len(xyz), dtype=bool)
    near: np.ndarray = ((xyz >= low - reach) & (xyz <= high + reach)).all(axis=1)
    return near


def _edge(xyz: np.ndarray, low: np.ndarray, extent: float, most: int) -> float:
    """The edge of cubes of which nearly, but at most, ``most`` hold points."""
    aim = _AIM * most
    finest = extent / _FINEST
    fine, coarse = finest, extent * 1.01  # too many cubes at the first, few enough at the second
    best, found = coarse, 1
    edge = max(extent / _GUESS, finest)
    for number in range(_ROUNDS):
        count = _count(xyz, low, edge)
        if count <= most:
            coarse = edge
            if count >= found:
                best, found = edge, count
            if count >= _ENOUGH * most or edge <= finest:
                break
        else:
            fine = edge
        # As a surface has it at first; a volume, or points that stand alone, need the bounds.
        edge = edge * (count / aim) ** 0.5
        if number >= _BY_RULE or not fine < edge < coarse:
            edge = float(np.sqrt(fine * coarse))
    return best


def _count(xyz: np.ndarray, low: np.ndarray, edge: float) -> int:
    """How many cubes hold points."""
    key = np.zeros(len(xyz), dtype=np.int64)
    for axis in range(3):
        key = (key << 21) | ((xyz[:, axis] - low[axis]) / edge).astype(np.int64)
    key.sort()
    return 1 + int(np.count_nonzero(key[1:] != key[:-1]))

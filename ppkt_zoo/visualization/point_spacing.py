"""How densely a cloud is sampled, place by place, and which points are its main body. Never depends on their order."""

import numpy as np

# Cells along the longest side of a cloud.
_FINE = 48
_COARSE = 32
# So few points in a cube and its neighbours are no surface.
_FEW = 12


def point_spacing(xyz: np.ndarray) -> np.ndarray:
    """About how far apart neighbouring points lie around each point: float64 (N,), metres.

    Points are counted in cubes of 1/48 of the extent. Where a surface crosses a cube and its 26 neighbours, nine
    or so of them hold points; n in each are ``edge / √n`` apart. Where an edge crosses them, three do, and their
    points are ``edge / n`` apart. A few points on their own are taken to be as dense as the rest: they are noise.

    Args:
        xyz: float (N, 3), N ≥ 1.
    """
    extent = float(np.ptp(xyz, axis=0).max())
    if len(xyz) < 2 or extent == 0:
        return np.full(len(xyz), 0.01)
    edge = extent / _FINE
    cell = _cells(xyz, edge)
    count = np.zeros((_FINE + 3,) * 3)
    np.add.at(count, tuple(cell.T), 1)
    around, occupied = _sum_of_27(count), _sum_of_27((count > 0).astype(float))
    total, held = around[tuple(cell.T)], occupied[tuple(cell.T)]
    dimension = np.clip(np.log(held) / np.log(3), 1, 2)
    spacing = edge / (total / held) ** (1 / dimension)
    return np.where(total < _FEW, np.median(spacing), spacing)


def main_body(xyz: np.ndarray, share: float = 0.005) -> np.ndarray:
    """bool (N,): False for small clusters that lie apart from everything else, such as a scan's stray points.

    Args:
        xyz: float (N, 3), N ≥ 1.
        share: a cluster with at least this part of all points belongs to the body.
    """
    extent = float(np.ptp(xyz, axis=0).max())
    if len(xyz) < 100 or extent == 0:
        return np.ones(len(xyz), dtype=bool)
    where = tuple(_cells(xyz, extent / _COARSE).T)
    occupied = np.zeros((_COARSE + 3,) * 3, dtype=bool)
    occupied[where] = True
    # Every cell takes the largest number among its neighbours' until none changes: one number a cluster.
    number = np.where(occupied, np.arange(1, occupied.size + 1).reshape(occupied.shape), 0)
    while True:
        spread = np.where(occupied, _largest_of_27(number), 0)
        if np.array_equal(spread, number):
            break
        number = spread
    cluster = number[where]
    size = np.bincount(cluster)
    large = size >= min(share * len(xyz), size.max())
    return large[cluster]


def _cells(xyz: np.ndarray, edge: float) -> np.ndarray:
    """int64 (N, 3), from 1, so that every cell has neighbours on all sides."""
    return np.floor((xyz - xyz.min(axis=0)) / edge).astype(np.int64) + 1


def _sum_of_27(grid: np.ndarray) -> np.ndarray:
    for axis in range(3):
        grid = grid + np.roll(grid, 1, axis) + np.roll(grid, -1, axis)
    return grid


def _largest_of_27(grid: np.ndarray) -> np.ndarray:
    for axis in range(3):
        grid = np.maximum(grid, np.maximum(np.roll(grid, 1, axis), np.roll(grid, -1, axis)))
    return grid

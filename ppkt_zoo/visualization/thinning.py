"""Fewer points for a picture: more than its pixels cannot be seen, and take minutes to draw."""

import numpy as np

__all__ = ["rows_to_draw"]

#: A cloud of more points is thinned to about as many.
MOST = 1_000_000
# Part of them that is aimed at, since a surface's area is only guessed.
_AIM = 0.6
_SAMPLE = 250_000
# Cells along the longest side by which the area is guessed, and at most.
_GUESS, _FINEST = 200, 1 << 17


def rows_to_draw(xyz: np.ndarray, most: int = MOST) -> np.ndarray:
    """Rows of a cloud that stand for all of it, int64 (M,), rising: of each small cube the point nearest its middle.

    The points' order does not matter, but for points in one place.

    Args:
        xyz: float (N, 3).
        most: a cloud that has no more points keeps all of them; of a larger one about as many are kept.
    """
    if len(xyz) <= most:
        return np.arange(len(xyz))
    low = xyz.min(axis=0).astype(np.float64)
    extent = float((xyz.max(axis=0) - low).max())
    if not extent > 0:
        return np.arange(1)
    edge = extent / _GUESS
    # A cloud may fill a volume, lie on surfaces or along lines: how fast its cells grow in number tells.
    coarse, fine = _count(xyz, low, 2 * edge), _count(xyz, low, edge)
    dimension = float(np.clip(np.log2(fine / coarse), 1, 3))
    edge = max(edge * (fine / (_AIM * most)) ** (1 / dimension), extent / _FINEST)
    rows = _nearest_to_middle(xyz, low, edge)
    while len(rows) > most:
        edge *= max(1.1, (len(rows) / (_AIM * most)) ** (1 / dimension))
        rows = _nearest_to_middle(xyz, low, edge)
    return rows


def _count(xyz: np.ndarray, low: np.ndarray, edge: float) -> int:
    """Cells of a grid that hold points; few points are looked at, cells are many."""
    step = max(1, len(xyz) // _SAMPLE)
    cell = np.floor((xyz[::step] - low) / edge).astype(np.int64)
    return len(np.unique((cell[:, 0] << 42) | (cell[:, 1] << 21) | cell[:, 2]))


def _nearest_to_middle(xyz: np.ndarray, low: np.ndarray, edge: float) -> np.ndarray:
    key = np.zeros(len(xyz), dtype=np.int64)
    away = np.zeros(len(xyz), dtype=np.float32)
    room = 62  # bits of a key
    for axis in range(3):
        place = (xyz[:, axis] - low[axis]) / edge
        cell = place.astype(np.int64)
        bits = int(cell.max()).bit_length()
        key = (key << bits) | cell
        room -= bits
        away += ((place - cell - 0.5) ** 2).astype(np.float32)
    # One sort by cell and by how far from its middle: 0.75 at most, in as many steps as bits are left.
    bits = min(room, 24)
    key = (key << bits) | (away * ((1 << bits) - 1)).astype(np.int64)
    order = np.argsort(key)
    cells = key[order] >> bits
    first = np.ones(len(order), dtype=bool)
    first[1:] = cells[1:] != cells[:-1]
    return np.sort(order[first])

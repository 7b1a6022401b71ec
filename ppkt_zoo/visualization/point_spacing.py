"""How densely a cloud is sampled, which points are its main body, and which of very many a picture can show.

None of it depends on the points' order, but for points in one place.
"""

import numpy as np

# Cells along the longest side of a cloud.
_FINE = 48
_COARSE = 32
# So few points in a cube and its neighbours are no surface.
_FEW = 12

# A cluster with at least this part of all points belongs to the body.
_BODY = 0.005

#: A cloud of more points is thinned to about as many.
MOST = 1_000_000
# Part of them that is aimed at, since a surface's area is only guessed.
_AIM = 0.6
_SAMPLE = 250_000
# Cells along the longest side by which the area is guessed, and at most.
_GUESS, _FINEST = 200, 1 << 17


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
    around, occupied = _over_27(np.add, count), _over_27(np.add, (count > 0).astype(float))
    total, held = around[tuple(cell.T)], occupied[tuple(cell.T)]
    dimension = np.clip(np.log(held) / np.log(3), 1, 2)
    spacing = edge / (total / held) ** (1 / dimension)
    return np.where(total < _FEW, np.median(spacing), spacing)


def main_body(xyz: np.ndarray) -> np.ndarray:
    """bool (N,): False for small clusters that lie apart from the rest of xyz (N, 3), such as a scan's stray points."""
    extent = float(np.ptp(xyz, axis=0).max())
    if len(xyz) < 100 or extent == 0:
        return np.ones(len(xyz), dtype=bool)
    where = tuple(_cells(xyz, extent / _COARSE).T)
    occupied = np.zeros((_COARSE + 3,) * 3, dtype=bool)
    occupied[where] = True
    # Every cell takes the largest number among its neighbours' until none changes: one number a cluster.
    number = np.where(occupied, np.arange(1, occupied.size + 1).reshape(occupied.shape), 0)
    while True:
        spread = np.where(occupied, _over_27(np.maximum, number), 0)
        if np.array_equal(spread, number):
            break
        number = spread
    cluster = number[where]
    size = np.bincount(cluster)
    large = size >= min(_BODY * len(xyz), size.max())
    return large[cluster]


def _cells(xyz: np.ndarray, edge: float) -> np.ndarray:
    """int64 (N, 3), from 1, so that every cell has neighbours on all sides."""
    return np.floor((xyz - xyz.min(axis=0)) / edge).astype(np.int64) + 1


def _over_27(join: np.ufunc, grid: np.ndarray) -> np.ndarray:
    """Each cell and its 26 neighbours, added up or whatever else joins two."""
    for axis in range(3):
        grid = join(join(grid, np.roll(grid, 1, axis)), np.roll(grid, -1, axis))
    return grid


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
    rows = nearest_to_middle(xyz, low, edge)
    while len(rows) > most:
        edge *= max(1.1, (len(rows) / (_AIM * most)) ** (1 / dimension))
        rows = nearest_to_middle(xyz, low, edge)
    return rows


def _count(xyz: np.ndarray, low: np.ndarray, edge: float) -> int:
    """Cells of a grid that hold points; few points are looked at, cells are many."""
    step = max(1, len(xyz) // _SAMPLE)
    cell = np.floor((xyz[::step] - low) / edge).astype(np.int64)
    return len(np.unique((cell[:, 0] << 42) | (cell[:, 1] << 21) | cell[:, 2]))


def nearest_to_middle(xyz: np.ndarray, low: np.ndarray, edge: float) -> np.ndarray:
    """Of each cube that holds points (N, 3), the row of the one nearest its middle: int64 (M,), rising.

    Args:
        low: (3,), the cloud's smallest corner, where a cube begins.
        edge: metres; no axis may have more than 2¹⁹ cubes.
    """
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

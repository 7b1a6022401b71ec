"""Table and objects told apart by a plane alone, so that real frames without labels have a truth to be held against."""

import numpy as np
from scipy.ndimage import label as connected
from scipy.spatial import ConvexHull

# Metres. The plane's own points, points surely above it, and as high as things on tables are.
_PLANE, _ABOVE, _HIGHEST = 0.01, 0.02, 0.5
# Metres from the border of the table inwards where nothing is said: walls and the edge itself lie there.
_BORDER = 0.03
_STEEPEST = np.cos(np.radians(15))
_TRIALS, _SAMPLE = 400, 4000
# Planes that are looked at, points that there must be for another one, and square metres that a table has at least.
_PLANES, _FEWEST, _LEAST_AREA = 3, 1000, 0.08
_CELL = 0.02


def label_by_table(xyz: np.ndarray, seed: int = 0) -> np.ndarray:
    """0 for the table, 1 for what stands on it, −1 for all else: int64 (N,).

    Level planes are found one after another by RANSAC (Fischler and Bolles 1981) and refined by least squares; the
    highest that is as large as a table is the table, so that the floor beside it is not. Only points over the convex
    hull of the plane's points are told anything about.

    Args:
        xyz: float (N, 3), metres, z up.
        seed: of the trials.
    """
    left, tables = xyz, []
    for number in range(_PLANES):
        normal, offset = find_plane(left, seed + number)
        near = np.abs(left @ normal - offset) < _PLANE
        patch = _largest_patch(left[near])
        if _area(patch) >= _LEAST_AREA:
            tables.append((float(patch[:, 2].mean()), normal, offset, patch))
        left = left[~near]
        if len(left) < _FEWEST:
            break
    label = np.full(len(xyz), -1, np.int64)
    if tables:
        _, normal, offset, patch = max(tables, key=lambda one: one[0])
        height, inside = xyz @ normal - offset, _over(xyz[:, :2], patch[:, :2])
        label[(np.abs(height) < _PLANE) & inside] = 0
        label[(height > _ABOVE) & (height < _HIGHEST) & inside] = 1
    return label


def find_plane(xyz: np.ndarray, seed: int = 0) -> tuple[np.ndarray, float]:
    """The level plane with most points: unit normal (3,), upwards, and normal · point."""
    rng = np.random.default_rng(seed)
    some = xyz[rng.permutation(len(xyz))[:_SAMPLE]].astype(np.float64)
    best, normal, offset = 0, np.array([0.0, 0.0, 1.0]), float(np.median(some[:, 2]))
    for _ in range(_TRIALS):
        one, two, three = some[rng.choice(len(some), 3, replace=False)]
        cross = np.cross(two - one, three - one)
        length = np.linalg.norm(cross)
        if length == 0 or abs(cross[2]) < _STEEPEST * length:
            continue
        found = cross * np.sign(cross[2]) / length
        count = int((np.abs(some @ found - one @ found) < _PLANE).sum())
        if count > best:
            best, normal, offset = count, found, float(one @ found)
    for _ in range(3):
        near = xyz[np.abs(xyz @ normal - offset) < _PLANE].astype(np.float64)
        middle = near.mean(axis=0)
        axis = np.linalg.eigh((near - middle).T @ (near - middle))[1][:, 0]
        normal = axis * np.sign(axis[2])
        offset = float(middle @ normal)
    return normal, offset


def _cells(xyz: np.ndarray) -> np.ndarray:
    cell = np.floor(xyz[:, :2] / _CELL).astype(np.int64)
    return cell - cell.min(axis=0)


def _area(xyz: np.ndarray) -> float:
    """Square metres of the cells that hold a point."""
    return len(np.unique(_cells(xyz), axis=0)) * _CELL**2


def _largest_patch(xyz: np.ndarray) -> np.ndarray:
    """The points of the largest connected patch: other things at the table's height are not the table."""
    cell = _cells(xyz)
    grid = np.zeros(cell.max(axis=0) + 1, bool)
    grid[cell[:, 0], cell[:, 1]] = True
    patch = connected(grid, np.ones((3, 3)))[0][cell[:, 0], cell[:, 1]]
    return xyz[patch == np.bincount(patch).argmax()]


def _over(xy: np.ndarray, patch: np.ndarray) -> np.ndarray:
    """Whether each place lies over the patch's convex hull, at least the border's width inside."""
    hull = ConvexHull(patch)
    return (xy @ hull.equations[:, :2].T + hull.equations[:, 2] < -_BORDER).all(axis=1)

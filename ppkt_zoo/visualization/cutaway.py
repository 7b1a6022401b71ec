"""Where a room's walls and ceiling are, so that a picture can leave out those in front of the camera.

Everything here works on counts over a grid, so the points' order never matters.
"""

from dataclasses import dataclass

import numpy as np

# A slab counts as a wall or a ceiling where points cover this much of its face (windows, doors, gaps in a scan),
# and this many times as much as of the slabs farther in.
_COVERAGE = 0.12
_CONTRAST = 2.5
_CELL = 0.10
_SLAB = 0.05
# How far in front of its plane even the cleanest wall is cut: window sills and door frames go with it.
_THINNEST = 0.14
# Above the lowest points.
_FLOOR = 0.06
# The two faces of one wall lie within this of each other, and are about equally large.
_THICKNESS = 0.25
_TWIN = 0.8


@dataclass(frozen=True)
class Shell:
    """The planes that enclose a room.

    Attributes:
        yaw: radians in [0, π/2), the turn of the walls about z.
        walls: metres along the four outward directions ``yaw + k·90°``, beyond which points belong to that
            wall; infinity where there is no wall.
        ceiling: height in metres above which points belong to the ceiling; infinity where there is none.
        floor: height in metres below which everything stays.
    """

    yaw: float
    walls: tuple[float, float, float, float]
    ceiling: float
    floor: float = -np.inf

    def inside(self, xyz: np.ndarray, eye: np.ndarray) -> np.ndarray:
        """bool (N,): False for the points of the walls and the ceiling that stand between room and eye."""
        keep = np.ones(len(xyz), dtype=bool)
        for quarter, limit in enumerate(self.walls):
            outward = _direction(self.yaw, quarter)
            if eye[:2] @ outward > limit:
                keep &= (xyz[:, :2] @ outward < limit) | (xyz[:, 2] < self.floor)
        if eye[2] > self.ceiling:
            keep &= xyz[:, 2] < self.ceiling
        return keep


def find_shell(xyz: np.ndarray) -> Shell:
    """Find the walls and the ceiling of a room; a cloud that is no room gets a shell without limits.

    Args:
        xyz: float (N, 3) in metres, z up.
    """
    yaw = _dominant_yaw(xyz)
    low, high = np.percentile(xyz[:, 2], (0.5, 99.5))
    height = high - low
    if height < 1.0 or float(np.ptp(xyz[:, :2], axis=0).max()) > 60:
        return Shell(yaw, (np.inf,) * 4, np.inf)
    ceiling = _outermost_slab(xyz[:, 2], xyz[:, :2], reach=0.25 * height)
    # Furniture seldom reaches into the upper half of a room; what covers much of it there is a wall.
    upper = xyz[(xyz[:, 2] > low + 0.5 * height) & (xyz[:, 2] < min(ceiling, low + 0.97 * height))]
    limits = []
    for quarter in range(4):
        outward, along = _direction(yaw, quarter), _direction(yaw, quarter + 1)
        depth = upper[:, :2] @ outward
        side = np.stack([upper[:, :2] @ along, upper[:, 2]], axis=1)
        limits.append(_outermost_slab(depth, side, reach=0.35 * float(np.ptp(xyz[:, :2] @ outward))))
    return Shell(yaw, (limits[0], limits[1], limits[2], limits[3]), ceiling, float(low) + _FLOOR)


def _outermost_slab(depth: np.ndarray, face: np.ndarray, reach: float) -> float:
    """Where the outermost flat slab begins along ``depth``; infinity where none lies within ``reach`` of the end.

    Args:
        depth: (N,) metres, outward.
        face: (N, 2) metres within the plane.
        reach: metres from the outer end to search.
    """
    if len(depth) < 100:
        return np.inf
    far = float(depth.max())
    candidates = depth > far - reach
    cell = np.floor((face - face.min(axis=0)) / _CELL).astype(np.int64)
    size = cell.max(axis=0) + 1
    layer = np.floor((far - depth[candidates]) / _SLAB).astype(np.int64)
    flat = cell[candidates, 0] * size[1] + cell[candidates, 1]
    covered = np.bincount(np.unique(layer * (size[0] * size[1]) + flat) // (size[0] * size[1]))
    # A plane may fall between two layers.
    pair = covered + np.append(covered[1:], 0)
    usual = float(np.median(pair))
    wall = np.flatnonzero(pair >= max(_COVERAGE * size[0] * size[1], _CONTRAST * usual))
    if wall.size == 0:
        return np.inf
    faces = wall[(wall <= wall[0] + int(_THICKNESS / _SLAB)) & (pair[wall] >= _TWIN * pair[wall[0]])]
    inner = faces[-1]
    begin = far - (inner + 2) * _SLAB
    # The plane itself, and how far its points scatter, say where it is to be cut.
    members = depth[(depth > begin) & (depth <= begin + 2 * _SLAB)]
    plane = float(np.median(members))
    scatter = float(np.median(np.abs(members - plane)))
    return plane - max(_THINNEST, min(5 * scatter, 2 * _SLAB + _THINNEST))


def _dominant_yaw(xyz: np.ndarray) -> float:
    """The turn about z, in [0, π/2), at which the points fall into the fewest upright planes."""
    cell, count = np.unique(np.floor(xyz[:, :2] / 0.04).astype(np.int64), axis=0, return_counts=True)
    weight = count.astype(np.float64)
    best, best_score = 0.0, -1.0
    for angle in np.deg2rad(np.arange(0, 90, 1.0)):
        score = 0.0
        for quarter in (0, 1):
            along = cell @ _direction(angle, quarter)
            score += float((np.bincount((along - along.min()).astype(np.int64), weight) ** 2).sum())
        if score > best_score:
            best, best_score = float(angle), score
    return best


def _direction(yaw: float, quarter: int) -> np.ndarray:
    """Unit vector (2,) at yaw + quarter·90°."""
    angle = yaw + quarter * np.pi / 2
    return np.array([np.cos(angle), np.sin(angle)])

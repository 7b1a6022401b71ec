"""Viewpoints onto a cloud: where the camera stands, which walls and ceilings it leaves out, where each point falls."""

from dataclasses import dataclass

import numpy as np

from ppkt_zoo.errors import InputError
from ppkt_zoo.visualization.point_spacing import main_body
from ppkt_zoo.visualization.splat import splat

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

# Eye distance in radii of the cloud: far enough for a calm perspective, near enough to tell front from back.
_DISTANCE = 3.0
_TOP = 89.0
_LIFT = 37.0
_COARSE_PIXELS = 160
# Metres; a cloud of one point is looked at as if it were as large.
_SMALLEST = 0.02
# Half of a window is at least so wide and high, at distance 1.
_NARROWEST = 0.02
# Around the points, as a part of the window's longer half.
_MARGIN = 0.03


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


@dataclass(frozen=True)
class View:
    """One viewpoint.

    Attributes:
        name: what the picture writes under it.
        eye: float64 (3,), metres.
        axes: float64 (3, 3), rows: right, down and forward of the camera, in the cloud's frame.
        keep: int64 (K,), the rows of the cloud that are drawn (walls in front of the camera are not).
        window: (left, top, right, bottom), the part of the image plane at distance 1 that the points fill.
    """

    name: str
    eye: np.ndarray
    axes: np.ndarray
    keep: np.ndarray
    window: tuple[float, float, float, float]

    @property
    def width(self) -> float:
        """Of the window, at distance 1."""
        return self.window[2] - self.window[0]

    @property
    def height(self) -> float:
        """Of the window, at distance 1."""
        return self.window[3] - self.window[1]

    def project(self, xyz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Image plane position float64 (N, 2) at distance 1, and depth (N,) in metres, of points (N, 3)."""
        seen = (xyz.astype(np.float64) - self.eye) @ self.axes.T
        return seen[:, :2] / np.maximum(seen[:, 2:], 1e-9), seen[:, 2]


def check_cloud(xyz: np.ndarray) -> None:
    """Raise InputError unless xyz is a finite (N, 3) with N ≥ 1."""
    if xyz.ndim != 2 or xyz.shape[1] != 3 or len(xyz) == 0:
        raise InputError(f"xyz must have shape (N, 3) with N ≥ 1, got {xyz.shape}")
    if not np.isfinite(xyz).all():
        raise InputError("xyz has NaN or infinity: drop those rows first")


def look_at(
    xyz: np.ndarray,
    azimuth: float,
    elevation: float,
    name: str = "",
    shell: Shell | None = None,
) -> View:
    """A camera that looks at the middle of a cloud and has all of it in its window.

    Args:
        xyz: float (N, 3) in metres, z up, N ≥ 1.
        azimuth: degrees, where the eye stands, counter-clockwise about +z from +x.
        elevation: degrees above the horizon, −90 to 90.
        name: the view's name.
        shell: walls and ceiling to leave out where they stand in front of the camera.

    Raises:
        InputError: xyz is empty or not (N, 3).
    """
    check_cloud(xyz)
    body = xyz[main_body(xyz)]
    low, high = body.min(axis=0).astype(np.float64), body.max(axis=0).astype(np.float64)
    centre, radius = (low + high) / 2, max(float(np.linalg.norm(high - low)) / 2, _SMALLEST)
    turn, lift = np.deg2rad(azimuth), np.deg2rad(np.clip(elevation, -_TOP, _TOP))
    outward = np.array([np.cos(turn) * np.cos(lift), np.sin(turn) * np.cos(lift), np.sin(lift)])
    eye = centre + outward * radius * _DISTANCE
    right = np.array([-np.sin(turn), np.cos(turn), 0.0])
    axes = np.stack([right, np.cross(-outward, right), -outward])
    keep = np.arange(len(xyz)) if shell is None else np.flatnonzero(shell.inside(xyz, eye))
    if keep.size == 0:
        keep = np.arange(len(xyz))
    # Few points that stray far from all others may lie outside of the window.
    body = keep[main_body(xyz[keep])]
    return View(name, eye, axes, keep, _window(View(name, eye, axes, keep, (0, 0, 1, 1)).project(xyz[body])[0]))


def _window(plane: np.ndarray) -> tuple[float, float, float, float]:
    """The frame of some points (N, 2) in the image plane, with a margin for the size of a splat."""
    low, high = plane.min(axis=0), plane.max(axis=0)
    # A cloud seen edge-on, or a single point, still needs a frame with an area.
    middle, half = (low + high) / 2, np.maximum((high - low) / 2, _NARROWEST)
    (left, top), (right, bottom) = (
        (middle - half - _MARGIN * half.max()).tolist(),
        (middle + half + _MARGIN * half.max()).tolist(),
    )
    return left, top, right, bottom


def views(xyz: np.ndarray, cutaway: bool = True, seen_from: np.ndarray | None = None) -> list[View]:
    """Three viewpoints onto a room: two of its corners from above, and straight down.

    Of the four corners those two are taken from which the most surface is seen: a scan often has only some
    of a room's sides.

    Args:
        xyz: float (N, 3) in metres, z up.
        cutaway: leave out the walls and the ceiling between the camera and the room.
        seen_from: (3,), where a sensor stood that saw all the points. From elsewhere the backs of things
            would be shown, so the two corners on its side are taken.

    Raises:
        InputError: xyz is empty or not (N, 3).
    """
    check_cloud(xyz)
    shell = find_shell(xyz)
    cut = shell if cutaway else None
    # Turned so that the longer side of the room runs across the picture.
    along = np.array([np.cos(shell.yaw), np.sin(shell.yaw)])
    across = np.array([-along[1], along[0]])
    front = np.rad2deg(shell.yaw) + (0 if np.ptp(xyz[:, :2] @ across) > np.ptp(xyz[:, :2] @ along) else -90)
    corners = [look_at(xyz, front + turn, _LIFT, name="corner", shell=cut) for turn in (38, -38, 218, 142)]
    if seen_from is None:
        merit = [_seen_surface(xyz, corner) for corner in corners]
    else:
        side = seen_from[:2] - xyz[:, :2].mean(axis=0)
        merit = [float(side @ (corner.eye[:2] - xyz[:, :2].mean(axis=0))) for corner in corners]
    best = sorted(range(4), key=lambda index: -merit[index])[:2]
    return [corners[index] for index in sorted(best)] + [look_at(xyz, front, 90, name="top", shell=cut)]


def _seen_surface(xyz: np.ndarray, view: View) -> float:
    """How much of a cloud's surface a view shows: the cells of a coarse grid whose points are on top."""
    scale = _COARSE_PIXELS / max(view.width, view.height)
    plane, depth = view.project(xyz[view.keep])
    pixel = np.floor((plane - view.window[:2]) * scale).astype(np.int64)
    seen = splat(pixel, depth, (_COARSE_PIXELS, _COARSE_PIXELS), radius=2, bulge=1e-3)
    cell = np.floor((xyz - xyz.min(axis=0)) / (np.ptp(xyz, axis=0).max() / 40 + 1e-6)).astype(np.int64)
    flat = (cell[:, 0] * 64 + cell[:, 1]) * 64 + cell[:, 2]
    return float(len(np.unique(flat[view.keep[seen.row[seen.row >= 0]]])))

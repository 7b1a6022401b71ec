"""Which way is up in a cloud of unknown origin: from its surfaces alone, and whether "z is up" can be believed.

Normals of small cubes stand in for those of a depth map, and :func:`ppkt_zoo.data.gravity.refine_up` does the rest. A
cloud that a depth camera saw from the origin along +z (x right, y down: what Kinect drivers and PCL write) is told by
its rays: they fill an image, with one surface on each.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.gravity import FIRST_UP, Vector, refine_up
from ppkt_zoo.errors import InputError

# Rows that are looked at, evenly spread.
_ROWS = 400_000
# Cells along the extent at first, and at least; so many points are wanted in most of them.
_FINE, _COARSE, _IN_CELL = 90, 12, 14
_LEAST_POINTS, _LEAST_NORMALS = 8, 50
# A cell is a surface where this part of its scatter leaves the plane, and it is no line.
_FLAT, _NO_LINE = 0.03, 0.15
_LEVEL = np.cos(np.radians(15.0))
_UPRIGHT = np.sin(np.radians(15.0))
# A camera's rays: their widest tangent, and how much of the image they fill with one depth each.
_WIDEST, _RAYS, _FILLED, _ONE_LAYER, _LAYER = 1.6, 48, 0.5, 0.75, 0.15
# Up of a camera is found where so many surfaces are level.
_LEVEL_SHARE, _UPRIGHT_SHARE = 0.15, 0.15
_LAYERS = 40
_TILTED = np.cos(np.radians(15.0))
# +z is kept where its surfaces say so to this angle, and with it so much of them is level, and level or upright.
_EXACT, _LEAST_LEVEL, _FITS = np.cos(np.radians(5.0)), 0.1, 0.8
# An axis is clearly the vertical where so many times as much is level by it as by any other.
_CLEARLY = 1.3
_MEND = "give the axis that points up, such as --up z"


class Upright(NamedTuple):
    """Which way is up.

    Attributes:
        up: float64 (3,), unit length, in the cloud's frame.
        level: part of the surfaces that is level by it, within 15°.
        upright: part of the surfaces that stands upright by it.
        camera: whether the cloud is in the frame of a camera: x right, y down, z forward.
    """

    up: Vector
    level: float
    upright: float
    camera: bool


def find_up(xyz: NDArray[np.floating]) -> Upright:
    """The up direction of a cloud.

    A cloud in a camera's frame is begun at the camera's up. Of any other one each axis is tried: +z is kept where it
    fits well, else the direction counts by which most surfaces are level. Up and down are told apart by what stands on
    the largest level surface.

    Args:
        xyz: float (N, 3), any unit.

    Raises:
        InputError: too few surfaces to tell, or hardly any of them is level whatever is taken for up.
    """
    sample = _sampled(xyz)
    normals, centres = _cell_normals(sample)
    if len(normals) < _LEAST_NORMALS:
        raise InputError(f"too few surfaces to find gravity by ({len(normals)} flat places): {_MEND}")
    if _is_camera(sample):
        return _judged(normals, refine_up(normals, FIRST_UP), True)
    tried = [_judged(normals, refine_up(normals, axis), False) for axis in np.eye(3)[::-1]]
    most = max(one.level for one in tried)
    z = tried[0]
    if z.up[2] > _EXACT and z.level >= min(_LEAST_LEVEL, 0.5 * most) and z.level + z.upright >= _FITS:
        found = z
    else:
        found = max(tried, key=lambda one: one.level)
    if found.level < 0.5 * _LEAST_LEVEL:
        raise InputError(f"hardly any surface is level, whatever is taken for up: {_MEND}")
    return found._replace(up=_upward(normals, centres, found.up))


def doubt_of_z(xyz: NDArray[np.floating]) -> str | None:
    """Why +z is hardly the up direction of a cloud, in a few words; None where nothing speaks strongly against it.

    Args:
        xyz: float (N, 3).
    """
    sample = _sampled(xyz)
    normals, _ = _cell_normals(sample)
    if len(normals) < _LEAST_NORMALS:
        return None
    z = np.array([0.0, 0.0, 1.0])
    level = _judged(normals, z, False).level
    if _is_camera(sample):
        seen = _judged(normals, refine_up(normals, FIRST_UP), True)
        if seen.level >= _LEVEL_SHARE and seen.level > level and seen.up @ z < _LEVEL:
            return "it looks as a depth camera stores it: x right, y down, z forward"
        return None
    tilted = _judged(normals, refine_up(normals, z), False)
    fits = tilted.level >= _LEVEL_SHARE and tilted.upright >= _UPRIGHT_SHARE
    if fits and tilted.up @ z < _TILTED and tilted.level > 2 * level:
        degrees = np.degrees(np.arccos(np.clip(tilted.up @ z, -1, 1)))
        return f"its level surfaces are tilted by {degrees:.0f}° against z"
    return None


def _sampled(xyz: NDArray[np.floating]) -> Vector:
    rows = xyz[:: max(1, len(xyz) // _ROWS)]
    return np.asarray(rows, dtype=np.float64)


def _judged(normals: Vector, up: Vector, camera: bool) -> Upright:
    along = np.abs(normals @ up)
    return Upright(up, float((along > _LEVEL).mean()), float((along < _UPRIGHT).mean()), camera)


def _upward(normals: Vector, centres: Vector, up: Vector) -> Vector:
    """``up`` or its opposite: things stand on the largest level surface, they seldom hang from it."""
    height = centres @ up
    low, high = np.percentile(height, (1, 99))
    level = height[np.abs(normals @ up) > _LEVEL]
    if len(level) == 0 or not high > low:
        return up
    counts, edges = np.histogram(level, bins=_LAYERS, range=(low, high))
    fullest = int(counts.argmax())
    # A ceiling as large as the floor tells nothing, and where +z fits a table top under a lamp does not either.
    both = counts[_LAYERS - 1 - fullest] > 0.5 * counts[fullest]
    highest = 0.8 if up[2] > _LEVEL else 0.5
    return up if both or edges[fullest] <= low + highest * (high - low) else -up


def _cell_normals(xyz: Vector) -> tuple[Vector, Vector]:
    """Unit normals (M, 3), of either sign, and centres (M, 3) of the small cubes that hold a flat piece of surface."""
    low, high = np.percentile(xyz, (1, 99), axis=0)
    extent = float((high - low).max())
    if len(xyz) < _LEAST_POINTS or not extent > 0:
        return np.empty((0, 3)), np.empty((0, 3))
    inside = ((xyz >= low - 0.1 * extent) & (xyz <= high + 0.1 * extent)).all(axis=1)
    near = xyz[inside] - low + 0.1 * extent
    cells = float(_FINE)
    while True:
        edge = extent / cells
        cell = np.floor(near / edge).astype(np.int64)
        _, where, count = np.unique(
            (cell[:, 0] * 4096 + cell[:, 1]) * 4096 + cell[:, 2], return_inverse=True, return_counts=True
        )
        if np.median(count[where]) >= _IN_CELL or cells <= _COARSE:
            break
        cells /= 1.5
    # About the cell's corner, so that nothing large cancels.
    local = near - cell * edge
    total = np.maximum(count, 1)[:, None]
    mean = np.stack([np.bincount(where, local[:, axis]) for axis in range(3)], axis=1) / total
    scatter = np.empty((len(count), 3, 3))
    for one in range(3):
        for other in range(one, 3):
            product = np.bincount(where, local[:, one] * local[:, other]) / total[:, 0]
            scatter[:, one, other] = scatter[:, other, one] = product - mean[:, one] * mean[:, other]
    full = count >= _LEAST_POINTS
    strength, vector = np.linalg.eigh(scatter[full])
    flat = strength[:, 0] < _FLAT * strength.sum(axis=1)
    flat &= strength[:, 1] > _NO_LINE * strength[:, 2]
    first = np.zeros((len(count), 3))
    first[where] = cell * edge
    return vector[flat][:, :, 0], (first + mean)[full][flat] + low - 0.1 * extent


def _is_camera(xyz: Vector) -> bool:
    """Whether a camera in the origin that looks along +z would see every point, in a full image of one layer."""
    depth = xyz[:, 2]
    if (depth > 0).mean() < 0.999:
        return False
    rays = xyz[depth > 0, :2] / depth[depth > 0, None]
    low, high = np.percentile(rays, (1, 99), axis=0)
    if (np.abs((low, high)) > _WIDEST).any() or (low > -0.05).any() or (high < 0.05).any():
        return False
    place = np.floor((rays - low) / (high - low) * _RAYS).astype(np.int64)
    inside = ((place >= 0) & (place < _RAYS)).all(axis=1)
    key = place[inside, 0] * _RAYS + place[inside, 1]
    order = np.lexsort((depth[depth > 0][inside], key))
    key, sorted_depth = key[order], depth[depth > 0][inside][order]
    begins = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    ends = np.append(begins[1:], len(key))
    count = ends - begins
    near = sorted_depth[begins + count // 10]
    far = sorted_depth[begins + (count * 9) // 10]
    one_layer = (far - near) < _LAYER * near
    return len(begins) > _FILLED * _RAYS**2 and float(one_layer.mean()) > _ONE_LAYER


class Axes(NamedTuple):
    """What speaks for each axis as the vertical of a cloud.

    Attributes:
        level: part of the surfaces that is level where x, y, z points up, (3,).
        up: the signed axis with most of it, such as "y" or "-z"; None where there are too few surfaces.
        sure: whether that axis has clearly more of it than the others, and the cloud is least high along it.
        camera: whether the cloud is in the frame of a camera: x right, y down, z forward.
    """

    level: tuple[float, float, float]
    up: str | None
    sure: bool
    camera: bool


def compare_axes(xyz: NDArray[np.floating]) -> Axes:
    """Which axis of a cloud points up, by its surfaces and its extents; for a report, since it may well be wrong.

    Args:
        xyz: float (N, 3), any unit, finite.
    """
    sample = _sampled(xyz)
    normals, centres = _cell_normals(sample)
    if len(normals) < _LEAST_NORMALS:
        return Axes((0.0, 0.0, 0.0), None, False, False)
    level = [float((np.abs(normals @ axis) > _LEVEL).mean()) for axis in np.eye(3)]
    if _is_camera(sample):
        return Axes((level[0], level[1], level[2]), "-y", False, True)
    best = int(np.argmax(level))
    low, high = np.percentile(sample, (1, 99), axis=0)
    lowest = int(np.argmin(high - low))
    second = sorted(level)[1]
    sign = "-" if _upward(normals, centres, np.eye(3)[best])[best] < 0 else ""
    sure = level[best] > _CLEARLY * second and lowest == best
    return Axes((level[0], level[1], level[2]), f"{sign}{'xyz'[best]}", sure, False)

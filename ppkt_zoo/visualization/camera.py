"""Viewpoints onto a cloud: where the camera stands, what it leaves out, where each point falls."""

from dataclasses import dataclass

import numpy as np

from ppkt_zoo.errors import InputError
from ppkt_zoo.visualization.cutaway import Shell, find_shell
from ppkt_zoo.visualization.point_spacing import main_body
from ppkt_zoo.visualization.splat import splat

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

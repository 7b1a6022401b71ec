"""Viewpoints onto a cloud: where the camera stands, what it leaves out, where each point falls."""

from dataclasses import dataclass

import numpy as np

from ppkt_zoo.errors import InputError
from ppkt_zoo.view.cutaway import Shell, find_shell
from ppkt_zoo.view.splat import splat

# Eye distance in radii of the cloud: far enough for a calm perspective, near enough to tell front from back.
_DISTANCE = 3.0
_TOP = 89.0
_LIFT = 37.0
# Metres; a cloud of one point is looked at as if it were as large.
_SMALLEST = 0.02
# Half of a window is at least so wide and high, at distance 1.
_NARROWEST = 0.02


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
    low, high = xyz.min(axis=0).astype(np.float64), xyz.max(axis=0).astype(np.float64)
    centre, radius = (low + high) / 2, max(float(np.linalg.norm(high - low)) / 2, _SMALLEST)
    turn, lift = np.deg2rad(azimuth), np.deg2rad(np.clip(elevation, -_TOP, _TOP))
    outward = np.array([np.cos(turn) * np.cos(lift), np.sin(turn) * np.cos(lift), np.sin(lift)])
    eye = centre + outward * radius * _DISTANCE
    right = np.array([-np.sin(turn), np.cos(turn), 0.0])
    axes = np.stack([right, np.cross(-outward, right), -outward])
    keep = np.arange(len(xyz)) if shell is None else np.flatnonzero(shell.inside(xyz, eye))
    if keep.size == 0:
        keep = np.arange(len(xyz))
    return View(name, eye, axes, keep, _window(View(name, eye, axes, keep, (0, 0, 1, 1)).project(xyz[keep])[0]))


def _window(plane: np.ndarray) -> tuple[float, float, float, float]:
    """The frame of nearly all points; the few that stray far from the others may lie outside."""
    first, last = np.percentile(plane, (0.1, 99.9), axis=0)
    margin = 0.03 * max(float((last - first).max()), 1e-3)
    low = np.maximum(first - margin, plane.min(axis=0) - 0.4 * margin)
    high = np.minimum(last + margin, plane.max(axis=0) + 0.4 * margin)
    # A cloud seen edge-on, or a single point, still needs a frame with an area.
    middle, half = (low + high) / 2, np.maximum((high - low) / 2, _NARROWEST)
    (left, top), (right, bottom) = (middle - half).tolist(), (middle + half).tolist()
    return left, top, right, bottom


def views(xyz: np.ndarray, cutaway: bool = True) -> list[View]:
    """Three viewpoints onto a room: two of its corners from above, and straight down.

    Of the four corners those two are taken from which the most surface is seen: a scan often has only some
    of a room's sides.

    Args:
        xyz: float (N, 3) in metres, z up.
        cutaway: leave out the walls and the ceiling between the camera and the room.

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
    surface = [_seen_share(xyz, corner) for corner in corners]
    best = sorted(range(4), key=lambda index: -surface[index])[:2]
    return [corners[index] for index in sorted(best)] + [look_at(xyz, front, 90, name="top", shell=cut)]


def _seen_share(xyz: np.ndarray, view: View) -> float:
    """Which share of the cloud's surface a view shows: the points on top of a coarse picture, over all."""
    pixels = 160
    plane, depth = view.project(xyz[view.keep])
    scale = pixels / max(view.width, view.height)
    pixel = np.floor((plane - view.window[:2]) * scale).astype(np.int64)
    seen = splat(pixel, depth, (pixels, pixels), radius=2, bulge=1e-3)
    cell = np.floor(xyz / (np.ptp(xyz, axis=0).max() / 40 + 1e-6)).astype(np.int64)
    rows = view.keep[seen.row[seen.row >= 0]]
    return len(np.unique(cell[rows], axis=0))

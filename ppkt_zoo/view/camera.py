"""Viewpoints onto a cloud: where the camera stands, what it leaves out, where each point falls."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ppkt_zoo.errors import InputError
from ppkt_zoo.view.cutaway import Shell, find_shell

# Eye distance in radii of the cloud: far enough for a calm perspective, near enough to tell front from back.
_DISTANCE = 3.0
_TOP = 89.0


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
    def aspect(self) -> float:
        """Width over height of the window."""
        left, top, right, bottom = self.window
        return (right - left) / (bottom - top)

    def project(self, xyz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Image plane position float64 (N, 2) at distance 1, and depth (N,) in metres, of points (N, 3)."""
        seen = (xyz.astype(np.float64) - self.eye) @ self.axes.T
        return seen[:, :2] / np.maximum(seen[:, 2:], 1e-9), seen[:, 2]


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
    if xyz.ndim != 2 or xyz.shape[1] != 3 or len(xyz) == 0:
        raise InputError(f"xyz must have shape (N, 3) with N ≥ 1, got {xyz.shape}")
    low, high = xyz.min(axis=0).astype(np.float64), xyz.max(axis=0).astype(np.float64)
    centre, radius = (low + high) / 2, max(float(np.linalg.norm(high - low)) / 2, 1e-3)
    turn, lift = np.deg2rad(azimuth), np.deg2rad(np.clip(elevation, -_TOP, _TOP))
    outward = np.array([np.cos(turn) * np.cos(lift), np.sin(turn) * np.cos(lift), np.sin(lift)])
    eye = centre + outward * radius * _DISTANCE
    right = np.array([-np.sin(turn), np.cos(turn), 0.0])
    axes = np.stack([right, np.cross(-outward, right), -outward])
    keep = np.arange(len(xyz)) if shell is None else np.flatnonzero(shell.inside(xyz, eye))
    if keep.size == 0:
        keep = np.arange(len(xyz))
    plane, _ = View(name, eye, axes, keep, (0, 0, 1, 1)).project(xyz[keep])
    (left, top), (far_right, bottom) = plane.min(axis=0), plane.max(axis=0)
    margin = 0.02 * max(far_right - left, bottom - top, 1e-3)
    return View(name, eye, axes, keep, (left - margin, top - margin, far_right + margin, bottom + margin))


def views(xyz: np.ndarray, names: Sequence[str] = ("corner", "opposite corner", "top"), cutaway: bool = True) -> list[View]:
    """Viewpoints that show a room: from above two corners, and straight down.

    Args:
        xyz: float (N, 3) in metres, z up.
        names: any of "corner", "opposite corner", "left corner", "right corner", "top".
        cutaway: leave out the walls and the ceiling between the camera and the room.

    Raises:
        InputError: unknown name, or xyz does not fit.
    """
    if xyz.ndim != 2 or xyz.shape[1] != 3 or len(xyz) == 0:
        raise InputError(f"xyz must have shape (N, 3) with N ≥ 1, got {xyz.shape}")
    shell = find_shell(xyz)
    # Turned so that the longer side of the room runs across the picture.
    along = np.array([np.cos(shell.yaw), np.sin(shell.yaw)])
    across = np.array([-along[1], along[0]])
    long_is_across = np.ptp(xyz[:, :2] @ across) > np.ptp(xyz[:, :2] @ along)
    front = np.rad2deg(shell.yaw) + (0 if long_is_across else -90)
    directions = {
        "corner": (front + 36, 36),
        "opposite corner": (front + 216, 36),
        "left corner": (front - 36, 36),
        "right corner": (front + 144, 36),
        "top": (front, 90),
    }
    chosen = []
    for name in names:
        if name not in directions:
            raise InputError(f"no view is called {name!r}; there are {', '.join(directions)}")
        chosen.append(look_at(xyz, *directions[name], name=name, shell=shell if cutaway else None))
    return chosen

"""From a data set's own world to one with z up: the one transform that a reader puts before its poses."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.frames import is_pose
from ppkt_zoo.data.gravity import align_up, estimate_up
from ppkt_zoo.errors import FrameError

Matrix = NDArray[np.float64]
DepthView = tuple[NDArray[np.float32], Matrix]

WORLD_UP = ("gravity", "camera-y", "world-z")
FRAME_UP = ("gravity", "camera-y", "none")
# Frames looked at for gravity, spread evenly over the sequence.
_VIEWS = 16


def check_up(up: Any, choices: tuple[str, ...]) -> Any:
    """Check an ``up`` argument: one of the choices, or three numbers.

    Raises:
        FrameError: it is neither.
    """
    if isinstance(up, str):
        if up in choices:
            return up
    else:
        vector = np.asarray(up)
        if vector.shape == (3,) and vector.dtype.kind in "fiu" and np.isfinite(vector).all() and vector.any():
            return vector.astype(np.float64)
    raise FrameError(f"up must be one of {', '.join(map(repr, choices))}, or a vector of three numbers, got {up!r}")


def world_to_z_up(
    up: str | Matrix, poses: Callable[[int], Matrix], views: Callable[[int], DepthView], size: int, name: str
) -> Matrix:
    """The rigid transform (4, 4) to put before every pose of a sequence, so that its world has z up.

    Args:
        up: ``"gravity"`` (from depth normals), ``"camera-y"`` (the mean up of the cameras), ``"world-z"``
            (z is up already: nothing is changed), or the up direction (3,) in the data set's world.
        poses: index → camera → world pose; may raise FrameError, hold NaN or be no pose (tracking was lost), then that
            frame is passed over.
        views: index → (depth, intrinsics); may raise FrameError, then that frame is passed over.
        size: number of frames.
        name: what the error calls this sequence.

    Raises:
        FrameError: no frame has a usable pose, or no frame enough surface for ``"gravity"``.
    """
    if isinstance(up, str) and up == "world-z":
        return np.eye(4)
    chosen = _usable_poses(poses, size)
    if not chosen:
        raise FrameError(f"{name}: no frame has a usable pose to find the up direction by")
    if not isinstance(up, str):
        direction = up
    elif up == "gravity":
        direction = estimate_up(_usable_views(chosen, views))
    else:
        direction = -np.mean([pose[:3, 1] for _, pose in chosen], axis=0)
    transform = np.eye(4)
    transform[:3, :3] = align_up(direction, forward=chosen[0][1][:3, 2])
    return transform


def aligned(transform: Matrix, pose: Matrix) -> Matrix:
    """A stored pose in the z-up world; one that is not finite stays so, for the frame to refuse."""
    return transform @ pose if np.isfinite(pose).all() else pose


def upright_pose(up: str | Matrix, depth: NDArray[np.float32], intrinsics: Matrix, name: str) -> Matrix | None:
    """A pose (4, 4) for a frame that has none: it turns the camera's frame upright, about the camera's own place.

    Args:
        up: ``"gravity"`` (from depth normals), ``"camera-y"`` (the camera is held level), ``"none"`` (no pose), or
            the up direction (3,) in the camera's frame.
        depth: float32 (H, W) metres, 0 = hole.
        intrinsics: (3, 3).
        name: what the error calls this frame.

    Raises:
        FrameError: too few surfaces for ``"gravity"``.
    """
    if isinstance(up, str) and up == "none":
        return None
    direction = np.array([0.0, -1.0, 0.0]) if isinstance(up, str) else up
    if isinstance(up, str) and up == "gravity":
        try:
            direction = estimate_up([(depth, intrinsics, None)])
        except FrameError as error:
            raise FrameError(f"frame {name}: {error}") from error
    pose = np.eye(4)
    pose[:3, :3] = align_up(direction)
    return pose


def _usable_poses(poses: Callable[[int], Matrix], size: int) -> list[tuple[int, Matrix]]:
    spread = [int(index) for index in np.unique(np.linspace(0, size - 1, _VIEWS).astype(int))]
    usable = [(index, pose) for index in spread if (pose := _usable_pose(poses, index)) is not None]
    # Where all of those are lost, the others are looked through.
    for index in range(size) if not usable else ():
        pose = _usable_pose(poses, index)
        if pose is not None:
            usable.append((index, pose))
        if len(usable) == _VIEWS:
            break
    return usable


def _usable_pose(poses: Callable[[int], Matrix], index: int) -> Matrix | None:
    try:
        pose = poses(index)
    except FrameError:
        return None
    return pose if is_pose(pose) else None


def _usable_views(
    chosen: Sequence[tuple[int, Matrix]], views: Callable[[int], DepthView]
) -> list[tuple[NDArray[np.float32], Matrix, Matrix]]:
    usable = []
    for index, pose in chosen:
        try:
            depth, intrinsics = views(index)
        except FrameError:
            continue
        usable.append((depth, intrinsics, pose))
    return usable

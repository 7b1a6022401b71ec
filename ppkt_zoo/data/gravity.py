"""Which way is up: from the surfaces of one depth map or a few, and the transform to a world with z up.

After Gupta, Arbeláez, Malik, "Perceptual Organization and Recognition of Indoor Scenes from RGB-D Images",
CVPR 2013, section 2: begin at the camera's −y, gather the normals nearly parallel and nearly orthogonal to
the current up (within 45°, then 15°), and take the direction that is most parallel to the first and most
orthogonal to the second: an extremal eigenvector. Ours begins 20° from −y, as if the camera looked down a
little: that finds a table top from 25° above the horizon to 65° below, where −y itself stops at 45°.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.frames import is_pose
from ppkt_zoo.errors import FrameError

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Up = str | Sequence[float] | NDArray[Any]
"""What readers take for up: the name of a way to find it, or the up direction (3,)."""
DepthView = tuple[NDArray[np.float32], Matrix]

WORLD_UP = ("gravity", "camera-y", "world-z")
FRAME_UP = ("gravity", "camera-y", "none")
# Frames looked at for gravity, spread evenly over the sequence.
_VIEWS = 16

# Depth is averaged over blocks of so many pixels, and a normal spans two blocks to either side: at 640×480
# a normal then leans on about 20 pixels, which tames the Kinect's quantisation at 3 m.
_BLOCK_AT_640 = 4
_SPAN = 2
# A normal is left out where depth jumps by more than this share of itself across its span.
_JUMP = 0.08
_ROUNDS = ((45.0, 5), (15.0, 5))
_LEAST_NORMALS = 50
_FIRST_TILT = np.radians(20.0)
#: Up of a camera that looks a little down, in its own frame.
FIRST_UP = np.array([0.0, -np.cos(_FIRST_TILT), -np.sin(_FIRST_TILT)])


def estimate_up(
    views: Iterable[tuple[NDArray[np.float32], Vector, Vector | None]], start: Vector | None = None
) -> Vector:
    """The up direction of some views.

    Args:
        views: (depth float32 (H, W) metres with 0 = hole, intrinsics (3, 3), pose (4, 4) camera → world or None).
            With poses the answer is in the world, else in the camera's frame (then give one view).
        start: first guess; by default the mean up of the cameras, were they to look down by 20°.

    Returns:
        float64 (3,), unit length.

    Raises:
        FrameError: too few surfaces to tell.
    """
    gathered, first_ups = [], []
    for depth, intrinsics, pose in views:
        rotation = np.eye(3) if pose is None else np.asarray(pose, dtype=np.float64)[:3, :3]
        gathered.append(depth_normals(depth, intrinsics) @ rotation.T)
        first_ups.append(rotation @ FIRST_UP)
    normals = np.concatenate(gathered) if gathered else np.empty((0, 3))
    if len(normals) < _LEAST_NORMALS:
        raise FrameError(
            f"too few surfaces to find gravity by ({len(normals)} normals in {len(gathered)} depth maps): "
            'give the up direction, e.g. up="camera-y"'
        )
    return refine_up(normals, _unit(np.mean(first_ups, axis=0) if start is None else start))


def refine_up(normals: Vector, start: Vector) -> Vector:
    """Gupta et al.'s iteration from a first guess; normals (N, 3) of unit length and either sign."""
    up = start
    for degrees, rounds in _ROUNDS:
        near, across = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        for _ in range(rounds):
            along = np.abs(normals @ up)
            parallel, orthogonal = normals[along > near], normals[along < across]
            scatter = orthogonal.T @ orthogonal - parallel.T @ parallel
            # eigh sorts rising: the first vector is most parallel to the one set and most orthogonal to the other.
            found = np.linalg.eigh(scatter)[1][:, 0]
            up = found if found @ up > 0 else -found
    return up


def depth_normals(depth: NDArray[np.float32], intrinsics: Vector) -> Vector:
    """Unit normals (N, 3) of a depth map in the camera's frame, turned to the camera, on a coarse grid."""
    points = _block_points(depth, intrinsics)
    before, after = points[: -_SPAN * 2], points[_SPAN * 2 :]
    down = (after - before)[:, _SPAN:-_SPAN]
    right = (points[:, _SPAN * 2 :] - points[:, : -_SPAN * 2])[_SPAN:-_SPAN]
    z = points[_SPAN:-_SPAN, _SPAN:-_SPAN, 2]
    with np.errstate(invalid="ignore"):
        smooth = (np.abs(down[..., 2]) < _JUMP * z) & (np.abs(right[..., 2]) < _JUMP * z)
    normals = np.cross(down[smooth], right[smooth])
    length = np.linalg.norm(normals, axis=1)
    return normals[length > 0] / length[length > 0, None]


def align_up(up: Vector, forward: Vector | None = None) -> Vector:
    """The rotation (3, 3) that takes ``up`` to +z and the horizontal part of ``forward`` to +y.

    Args:
        up: (3,), any length.
        forward: (3,); by default the camera's forward, +z. Where it is nearly parallel to ``up`` (a camera
            that looks straight down), the camera's own up −y stands in for it, or +x where that is parallel too.

    Raises:
        FrameError: ``up`` has no direction.
    """
    vertical = _unit(up)
    given = (0.0, 0.0, 1.0) if forward is None else forward
    for choice in (given, (0.0, -1.0, 0.0), (1.0, 0.0, 0.0)):
        heading = np.asarray(choice, dtype=np.float64)
        flat = heading - (heading @ vertical) * vertical
        if np.linalg.norm(flat) > 0.1 * np.linalg.norm(heading):
            break
    ahead = _unit(flat)
    return np.stack([np.cross(ahead, vertical), ahead, vertical])


def _unit(vector: Vector) -> Vector:
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or length < 1e-9:
        raise FrameError(f"no direction in {np.asarray(vector)}: give a vector of some length as up")
    return np.asarray(vector, dtype=np.float64) / length


def _block_points(depth: NDArray[np.float32], intrinsics: Vector) -> Vector:
    """Mean point of each block of pixels (h, w, 3), NaN where over half of the block is holes."""
    edge = max(1, round(depth.shape[1] * _BLOCK_AT_640 / 640))
    height, width = depth.shape[0] // edge, depth.shape[1] // edge
    blocks = depth[: height * edge, : width * edge].reshape(height, edge, width, edge)
    filled = (blocks > 0).sum(axis=(1, 3))
    with np.errstate(invalid="ignore", divide="ignore"):
        z = blocks.sum(axis=(1, 3), dtype=np.float64) / np.where(filled * 2 > edge * edge, filled, np.nan)
    u = np.arange(width) * edge + (edge - 1) / 2
    v = np.arange(height) * edge + (edge - 1) / 2
    x = (u - intrinsics[0, 2]) / intrinsics[0, 0] * z
    y = (v - intrinsics[1, 2])[:, None] / intrinsics[1, 1] * z
    return np.stack([x, y, z], axis=-1)


def check_up(up: Up, choices: tuple[str, ...]) -> str | Vector:
    """An ``up`` argument as it is used; raises FrameError unless it is one of the choices, or three numbers."""
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

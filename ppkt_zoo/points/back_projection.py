"""Back-projection: each pixel with depth becomes a point, and keeps the pixel's index.

PPKT (arXiv 2104.04687, section 3): x = (u − cx)·z / fx, y = (v − cy)·z / fy.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.errors import InputError


def back_project(
    depth: NDArray[Any], intrinsics: NDArray[Any], pose: NDArray[Any] | None = None, stride: int = 1
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Turn a depth map into points.

    Args:
        depth: float (H, W), metres along the optical axis; zero, negative, NaN and infinite pixels are holes.
        intrinsics: (3, 3), pixels; pixel (u, v) is the centre of column u, row v, so integers are centres.
        pose: (4, 4), camera → world, applied in float64; None leaves the points in the camera frame
            (x right, y down, z forward).
        stride: take every stride-th column and row, beginning with the first.

    Returns:
        xyz: float32 (M, 3), metres, row by row of the image.
        pixel: int64 (M, 2), the (u, v) of each point in the full image.

    Raises:
        InputError: a shape or dtype does not fit, or no pixel has depth; the message names the mend.
    """
    _check(depth, intrinsics, pose, stride)
    z = depth[::stride, ::stride]
    with np.errstate(invalid="ignore"):
        row, column = np.nonzero(np.isfinite(z) & (z > 0))
    if len(row) == 0:
        raise InputError(f"depth ({depth.shape[0]}×{depth.shape[1]}) is all holes: no pixel has a finite depth above 0")
    ahead = z[row, column].astype(np.float64)
    pixel = np.stack([column * stride, row * stride], axis=1).astype(np.int64)
    camera = np.asarray(intrinsics, dtype=np.float64)
    xyz = np.empty((len(row), 3))
    xyz[:, 0] = (pixel[:, 0] - camera[0, 2]) * ahead / camera[0, 0]
    xyz[:, 1] = (pixel[:, 1] - camera[1, 2]) * ahead / camera[1, 1]
    xyz[:, 2] = ahead
    if pose is not None:
        world = np.asarray(pose, dtype=np.float64)
        xyz = xyz @ world[:3, :3].T + world[:3, 3]
    return xyz.astype(np.float32), pixel


def _check(depth: Any, intrinsics: Any, pose: Any, stride: Any) -> None:
    if not isinstance(depth, np.ndarray) or depth.ndim != 2 or 0 in depth.shape:
        raise InputError(f"depth must be an array of shape (H, W), got {_describe(depth)}")
    if depth.dtype.kind != "f":
        raise InputError(f"depth must be float metres, got {depth.dtype}: divide millimetres by 1000.0 first")
    if not isinstance(intrinsics, np.ndarray) or intrinsics.shape != (3, 3) or intrinsics.dtype.kind not in "fiu":
        raise InputError(f"intrinsics must be a (3, 3) array, got {_describe(intrinsics)}")
    if not np.isfinite(intrinsics).all() or intrinsics[0, 0] <= 0 or intrinsics[1, 1] <= 0:
        raise InputError("intrinsics must be finite with positive focal lengths at [0, 0] and [1, 1]")
    if intrinsics[0, 1] != 0:
        raise InputError(f"intrinsics have a skew of {intrinsics[0, 1]:g} at [0, 1], which nothing here knows: rectify")
    if pose is not None:
        if not isinstance(pose, np.ndarray) or pose.shape != (4, 4) or pose.dtype.kind not in "fiu":
            raise InputError(f"pose must be a (4, 4) array, camera to world, got {_describe(pose)}")
        if not np.isfinite(pose).all():
            raise InputError("pose has NaN or infinity (tracking was lost): skip this frame")
    if isinstance(stride, bool) or not isinstance(stride, int | np.integer) or stride < 1:
        raise InputError(f"stride must be an integer of at least 1, got {stride!r}")


def _describe(value: Any) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__

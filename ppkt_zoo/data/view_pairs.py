"""The same place in two views of a scene: the pairs that PointContrast learns from (arXiv 2007.10985)."""

import numpy as np

from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.errors import FrameError, InputError
from ppkt_zoo.points.back_projection import back_project, pixel_values


def match_views(
    a: RGBDFrame, b: RGBDFrame, *, stride: int = 1, tolerance: float = 0.02, relative_tolerance: float = 0.01
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of two posed frames of one scene that show the same place.

    Each pixel of ``a`` with depth goes through the world into ``b``, to the nearest pixel there. It is a match where
    ``b`` measured the depth that the place has for it, so what is hidden from ``b``, or hides it, is none. No pixel
    stands in two matches.

    Args:
        a, b: frames with poses in the same world; sizes and intrinsics may differ.
        stride: only every stride-th column and row of ``a``, as in `back_project`.
        tolerance: by how many metres the two depths may differ, besides
        relative_tolerance: this part of the depth in ``b``, as sensors err more far away.

    Returns:
        pixels_a, pixels_b: int64 (M, 2), (u, v) in either frame, row by row of ``a``; M may be 0.

    Raises:
        FrameError: a frame has no pose, or none of the pixels at this stride has depth.
        InputError: a tolerance is negative, or both are 0.
    """
    for frame in (a, b):
        if frame.pose is None:
            raise FrameError(f"frame {frame.name} has no pose, and without one no other view can be matched to it")
    assert a.pose is not None
    assert b.pose is not None
    if not (tolerance >= 0 and relative_tolerance >= 0 and tolerance + relative_tolerance > 0):
        raise InputError(f"tolerances must be at least 0 and not both 0, got {tolerance} and {relative_tolerance}")
    try:
        xyz, pixels_a = back_project(a.depth, a.intrinsics, np.linalg.inv(b.pose) @ a.pose, stride)
    except InputError as error:
        raise FrameError(f"frame {a.name}: {error}") from error
    place, pixels_b = _pixels_of(xyz, b)
    deep = xyz[place, 2]
    measured = pixel_values(b.depth, pixels_b)
    agree = (np.abs(measured - deep) < tolerance + relative_tolerance * measured) & (measured > 0)
    place, pixels_b = place[agree], pixels_b[agree]
    once = _one_of_each(pixels_b, b.depth.shape)
    return pixels_a[place[once]], pixels_b[once]


def match_rows(
    cloud_pixels_a: np.ndarray, cloud_pixels_b: np.ndarray, pixels_a: np.ndarray, pixels_b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which rows of two clouds the matches are, where each row of a cloud came from a pixel of its own.

    A match stays where both its pixels are still in the clouds: thinning and dropout take its matches along.

    Args:
        cloud_pixels_a, cloud_pixels_b: int (Na, 2) and (Nb, 2), (u, v) in the frame that each row came from; no
            pixel twice.
        pixels_a, pixels_b: int (M, 2), from `match_views`.

    Returns:
        rows_a, rows_b: int64 (K,), K at most M, in the order of the matches.

    Raises:
        InputError: an array is not (…, 2) integers at least 0, or the two sides of the matches differ in number.
    """
    arrays = {
        "cloud_pixels_a": cloud_pixels_a,
        "cloud_pixels_b": cloud_pixels_b,
        "pixels_a": pixels_a,
        "pixels_b": pixels_b,
    }
    for name, pixels in arrays.items():
        if pixels.ndim != 2 or pixels.shape[1] != 2 or pixels.dtype.kind not in "iu" or (pixels < 0).any():
            raise InputError(f"{name} must be (u, v) pixels, integers (N, 2) from 0, got {pixels.dtype} {pixels.shape}")
    if len(pixels_a) != len(pixels_b):
        raise InputError(f"matches need two pixels each, got {len(pixels_a)} in a and {len(pixels_b)} in b")
    rows_a, rows_b = _rows_of(pixels_a, cloud_pixels_a), _rows_of(pixels_b, cloud_pixels_b)
    kept = (rows_a >= 0) & (rows_b >= 0)
    return rows_a[kept], rows_b[kept]


def _pixels_of(xyz: np.ndarray, frame: RGBDFrame) -> tuple[np.ndarray, np.ndarray]:
    """Which points (M, 3) in the camera's frame lie in its image, and the nearest pixel int64 (K, 2) of each."""
    height, width = frame.depth.shape
    x, y, z = (np.ascontiguousarray(xyz[:, axis], dtype=np.float64) for axis in range(3))
    camera = frame.intrinsics
    front = z > 0
    safe = np.where(front, z, 1.0)
    # Half a pixel more and rounded down: the nearest pixel, halves always to the same side.
    u = x / safe * camera[0, 0] + (camera[0, 2] + 0.5)
    v = y / safe * camera[1, 1] + (camera[1, 2] + 0.5)
    place = np.flatnonzero(front & (u >= 0) & (u < width) & (v >= 0) & (v < height))
    return place, np.column_stack([u[place], v[place]]).astype(np.int64)


def _one_of_each(pixels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Rows of (K, 2) pixels, rising, with each pixel once."""
    flat = pixels[:, 1] * shape[1] + pixels[:, 0]
    holder = np.full(shape[0] * shape[1], -1, dtype=np.int64)
    rows = np.arange(len(flat))
    holder[flat] = rows
    return rows[holder[flat] == rows]


def _rows_of(pixels: np.ndarray, cloud_pixels: np.ndarray) -> np.ndarray:
    """For each pixel the row of the cloud that came from it, −1 where none did."""
    if not len(pixels) or not len(cloud_pixels):
        return np.full(len(pixels), -1, dtype=np.int64)
    width, height = np.maximum(pixels.max(axis=0), cloud_pixels.max(axis=0)) + 1
    table = np.full(int(width) * int(height), -1, dtype=np.int64)
    table[cloud_pixels[:, 1] * width + cloud_pixels[:, 0]] = np.arange(len(cloud_pixels))
    return table[pixels[:, 1] * width + pixels[:, 0]]

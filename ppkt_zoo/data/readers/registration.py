"""Depth as the colour camera sees it, and colour at another size with the intrinsics that fit it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ppkt_zoo.errors import FrameError

Matrix = NDArray[np.float64]

# Neighbours in depth that differ by more than this share of the nearer one are two surfaces.
_JUMP = 0.05
# A surface seen at a slant may spread a depth pixel over this many times its upright footprint, no more.
_WIDEST = 4.0
# Neighbouring footprints overlap by this many pixels, so that rounding opens no seam between them.
_OVERLAP = 1e-3


def register_depth(
    depth: NDArray[np.float32],
    depth_intrinsics: NDArray[Any],
    color_intrinsics: NDArray[Any],
    size: tuple[int, int],
    depth_to_color: Any = None,
) -> NDArray[np.float32]:
    """A depth map as the colour camera would have measured it.

    Each depth pixel is a small upright patch; it covers those colour pixels whose centres lie in its
    projection, at least the nearest one. On one surface a patch reaches half-way to its neighbours, so a
    slanted wall stays closed; across a jump in depth, or beside a hole, it keeps its own size. Where
    several patches fall on a pixel the nearest wins. No depth is averaged: each value is one that was measured.

    Args:
        depth: float32 (Hd, Wd), metres along the depth camera's optical axis; 0 is a hole.
        depth_intrinsics: (3, 3) of the depth camera, pixel centres at integers.
        color_intrinsics: (3, 3) of the colour camera.
        size: (H, W) of the colour image.
        depth_to_color: (4, 4), points in the depth camera's frame → in the colour camera's, metres; None where
            both look from one place.

    Returns:
        float32 (H, W), metres along the colour camera's optical axis; 0 is a hole.

    Raises:
        FrameError: a shape, dtype or value does not fit, or a matrix cannot be inverted.
    """
    _check_depth(depth)
    height, width = _check_size(size)
    source = _check_camera(depth_intrinsics, "depth_intrinsics")
    target = _check_camera(color_intrinsics, "color_intrinsics")
    motion = np.eye(4) if depth_to_color is None else _check_motion(depth_to_color)
    # With K and K' the cameras, a pixel p of depth z goes to z K'R K⁻¹ p + K't, still homogeneous.
    turn, shift = target @ motion[:3, :3] @ np.linalg.inv(source), target @ motion[:3, 3]
    u, v, z = _project(depth, turn, shift)
    with np.errstate(divide="ignore", invalid="ignore"):
        grown = np.where(z > 0, depth / z, 0)
    smooth = _same_surface(depth, 1), _same_surface(depth, 0)
    columns = _covered(u, _half_widths(u, grown, _upright(turn, target, 0), smooth), width)
    rows = _covered(v, _half_widths(v, grown, _upright(turn, target, 1), smooth), height)
    return _nearest(z, grown > 0, columns, rows, (height, width))


def scale_camera(
    color: NDArray[np.uint8], intrinsics: NDArray[Any], size: tuple[int, int]
) -> tuple[NDArray[np.uint8], Matrix]:
    """Colour at another size (antialiased), with its intrinsics.

    Pixel centres are at integers, so a point at u comes to (u + ½) s − ½ where s is the new width over the old.

    Args:
        color: uint8 (H, W, 3).
        intrinsics: (3, 3) of this image.
        size: (H, W) wanted.

    Returns:
        uint8 (*size, 3) and float64 (3, 3).

    Raises:
        FrameError: a shape or dtype does not fit, or the intrinsics cannot be inverted.
    """
    if not isinstance(color, np.ndarray) or color.dtype != np.uint8 or color.ndim != 3 or color.shape[2] != 3:
        raise FrameError(f"color must be a uint8 array (H, W, 3), got {_describe(color)}")
    if 0 in color.shape:
        raise FrameError(f"color has no pixels: its shape is {color.shape}")
    height, width = _check_size(size)
    scale = np.array([width / color.shape[1], height / color.shape[0], 1.0])
    scaled = np.diag(scale) @ _check_camera(intrinsics, "intrinsics")
    scaled[:2, 2] += (scale[:2] - 1) / 2
    if color.shape[:2] == (height, width):
        return color.copy(), scaled
    # Pillow widens its filter when it shrinks an image: every pixel of the source counts.
    resized = Image.fromarray(color).resize((width, height), Image.Resampling.BICUBIC)
    return np.array(resized, dtype=np.uint8), scaled


def _project(depth: NDArray[np.float32], turn: Matrix, shift: Matrix) -> tuple[NDArray[np.float32], ...]:
    """Where depth pixels fall (Hd, Wd) in colour: u and v in pixels, z in metres; meaningless where depth is 0."""
    u = np.arange(depth.shape[1], dtype=np.float64)
    v = np.arange(depth.shape[0], dtype=np.float64)[:, None]
    # The sum over a row of the matrix is one outer sum; float32 keeps u and v to some 1e-4 of a pixel.
    x, y, z = (
        depth * (row[0] * u + (row[1] * v + row[2])).astype(np.float32) + np.float32(offset)
        for row, offset in zip(turn, shift, strict=True)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        return x / z, y / z, z


def _same_surface(depth: NDArray[np.float32], axis: int) -> NDArray[np.bool_]:
    """Whether a pixel and the next along this axis lie on one surface; one shorter than depth along it."""
    one, next_one = (depth[:-1], depth[1:]) if axis == 0 else (depth[:, :-1], depth[:, 1:])
    # A hole is 0, and no share of 0 is more than a difference.
    same: NDArray[np.bool_] = np.abs(next_one - one) < _JUMP * np.minimum(one, next_one)
    return same


def _upright(turn: Matrix, target: Matrix, axis: int) -> float:
    """Colour pixels along this axis that a depth pixel spans, were it as far from both cameras."""
    return float(np.abs(turn[axis, :2] - target[axis, 2] * turn[2, :2]).sum())


def _half_widths(
    place: NDArray[np.float32], grown: NDArray[np.float32], upright: float, smooth: tuple[NDArray[np.bool_], ...]
) -> NDArray[np.float32]:
    """How far (Hd, Wd) each patch reaches to either side of its place along one axis of the colour image."""
    nominal = np.float32(upright / 2) * grown
    reach = np.zeros_like(place)
    with np.errstate(invalid="ignore"):
        for axis, same in zip((1, 0), smooth, strict=True):
            half_way = np.abs(np.diff(place, axis=axis)) * np.float32(0.5)
            half_way[~same] = 0
            along = np.zeros_like(place)
            first, last = (along[:, :-1], along[:, 1:]) if axis == 1 else (along[:-1], along[1:])
            np.copyto(first, half_way)
            np.maximum(last, half_way, out=last)
            reach += along
        np.clip(reach, nominal, np.float32(_WIDEST) * nominal, out=reach)
        # Never narrower than a pixel: the centre nearest to a patch's own always belongs to it.
        return np.maximum(reach, np.float32(0.5), out=reach)


def _covered(
    place: NDArray[np.float32], half: NDArray[np.float32], limit: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """First covered pixel centre along an axis and how many from there on, within 0 to limit."""
    with np.errstate(invalid="ignore"):
        first = np.clip(np.ceil(place - half - np.float32(_OVERLAP)), 0, limit)
        end = np.clip(np.ceil(place + half), 0, limit)
        return first.astype(np.int32), (end - first).astype(np.int32)


def _nearest(
    z: NDArray[np.float32],
    valid: NDArray[np.bool_],
    columns: tuple[NDArray[np.int32], NDArray[np.int32]],
    rows: tuple[NDArray[np.int32], NDArray[np.int32]],
    size: tuple[int, int],
) -> NDArray[np.float32]:
    """The z-buffer: the least z of the patches on each pixel, 0 where none is."""
    chosen = np.flatnonzero(valid & (columns[1] > 0) & (rows[1] > 0))
    near, wide, high = z.ravel()[chosen], columns[1].ravel()[chosen], rows[1].ravel()[chosen]
    start = rows[0].ravel()[chosen].astype(np.intp) * size[1] + columns[0].ravel()[chosen]
    buffer = np.full(size[0] * size[1], np.inf, dtype=np.float32)
    for down in range(int(high.max(initial=0))):
        for right in range(int(wide.max(initial=0))):
            if down or right:
                here = np.flatnonzero((high > down) & (wide > right))
                np.minimum.at(buffer, start[here] + (down * size[1] + right), near[here])
            else:
                np.minimum.at(buffer, start, near)
    buffer[np.isinf(buffer)] = 0
    return buffer.reshape(size)


def _check_depth(depth: Any) -> None:
    if not isinstance(depth, np.ndarray) or depth.dtype != np.float32 or depth.ndim != 2:
        raise FrameError(f"depth must be a float32 array (H, W) in metres, got {_describe(depth)}")
    if 0 in depth.shape:
        raise FrameError(f"depth has no pixels: its shape is {depth.shape}")
    if not np.isfinite(depth).all() or depth.min() < 0:
        raise FrameError("depth has NaN, infinite or negative values: write holes as 0")


def _check_size(size: Any) -> tuple[int, int]:
    try:
        height, width = (int(number) for number in size)
    except (TypeError, ValueError) as error:
        raise FrameError(f"size must be (height, width) in pixels, got {size!r}") from error
    if height < 1 or width < 1:
        raise FrameError(f"size must be (height, width) of at least one pixel, got {size!r}")
    return height, width


def _check_camera(value: Any, name: str) -> Matrix:
    matrix = _numbers(value, (3, 3), name)
    if not np.array_equal(matrix[2], [0, 0, 1]) or matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        raise FrameError(f"{name} is no pinhole matrix [fx 0 cx; 0 fy cy; 0 0 1] with positive focal lengths")
    if np.linalg.cond(matrix) > 1e12:
        raise FrameError(f"{name} cannot be inverted: {matrix.tolist()}")
    return matrix


def _check_motion(value: Any) -> Matrix:
    matrix = _numbers(value, (4, 4), "depth_to_color")
    rotation = matrix[:3, :3]
    rigid = np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-2) and np.linalg.det(rotation) > 0
    if not rigid or not np.array_equal(matrix[3], [0, 0, 0, 1]):
        raise FrameError(
            "depth_to_color is not a rotation and translation (4×4, depth camera → colour camera), "
            "so it cannot be inverted as one: check the extrinsics of the two cameras"
        )
    return matrix


def _numbers(value: Any, shape: tuple[int, int], name: str) -> Matrix:
    try:
        matrix = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise FrameError(f"{name} must be numbers: {error}") from error
    if matrix.shape != shape:
        raise FrameError(f"{name} must have shape {shape}, got {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise FrameError(f"{name} has NaN or infinity")
    return matrix


def _describe(value: Any) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__

"""Points to voxels by the native library: cells, colours and the inverse map, without sorting."""

import ctypes
import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from ppkt_zoo.native.library import Library, threads

# Cells that one byte of the first table stands for, and bytes of it that a point, and any cloud, may take.
_CELLS_A_BYTE = 512 * 8
_BYTES_A_POINT = 2
_ALWAYS = 1 << 20
_MOST_POINTS = (1 << 31) - 1


def fits_tables(points: int, cells: int) -> bool:
    """Whether the tables of :func:`find_voxels` are small beside the points; huge empty grids are better sorted."""
    return points < _MOST_POINTS and cells // _CELLS_A_BYTE <= max(_ALWAYS, _BYTES_A_POINT * points)


def find_voxels(
    library: Library,
    xyz: Tensor,
    rgb: Tensor | None,
    sizes: Sequence[int],
    corners: Tensor,
    voxel_size: float,
    lengths: Sequence[int],
    channels: Sequence[int],
    fill: Sequence[float],
    color_range: tuple[float, float],
) -> tuple[Tensor, Tensor, Tensor]:
    """The occupied cells of a grid, their channels, and the cell of each point.

    Args:
        library: the native library.
        xyz: float32 (N, 3) on the CPU.
        rgb: uint8 (N, 3), or None.
        sizes: points of each cloud, N in all.
        corners: float64 (B, 3), the smallest corner of each cloud.
        voxel_size: edge of a cell.
        lengths: cells along x, y and z, for all clouds.
        channels: 0, 1, 2 for the mean of red, green, blue; -1 for a channel that has the value of ``fill``.
        fill: value of each channel that is no colour.
        color_range: what colours 0 and 255 become.

    Returns:
        coords int32 (M, 4) as (cloud, x, y, z), rising; features float32 (M, C); inverse int64 (N,).

    Raises:
        EngineError: a point lies outside the grid, there is no memory, or 2^24 points share a voxel.
    """
    if tuple(xyz.shape) != (sum(sizes), 3) or xyz.dtype != torch.float32 or xyz.device.type != "cpu":
        raise ValueError(f"xyz must be float32 ({sum(sizes)}, 3) on the CPU, got {xyz.dtype} {tuple(xyz.shape)}")
    if rgb is not None and (rgb.shape != xyz.shape or rgb.dtype != torch.uint8 or rgb.device.type != "cpu"):
        raise ValueError(f"rgb must be uint8 {tuple(xyz.shape)} on the CPU, got {rgb.dtype} {tuple(rgb.shape)}")
    if tuple(corners.shape) != (len(sizes), 3) or len(lengths) != 3 or len(fill) != len(channels):
        raise ValueError("corners, lengths, channels and fill do not fit the clouds")
    xyz, rgb = xyz.contiguous(), None if rgb is None else rgb.contiguous()
    corners = corners.to(dtype=torch.float64, device="cpu").contiguous()
    ends = (ctypes.c_int64 * len(sizes))(*itertools.accumulate(sizes))
    inverse = torch.empty(xyz.shape[0], dtype=torch.int64, device="cpu")
    made, count = ctypes.c_void_p(), ctypes.c_int64()
    library.call("voxels", xyz.data_ptr(), None if rgb is None else rgb.data_ptr(), ends, len(sizes),
                 corners.data_ptr(), voxel_size, (ctypes.c_int64 * 3)(*lengths), threads(), inverse.data_ptr(),
                 ctypes.byref(made), ctypes.byref(count))  # fmt: skip
    try:
        coords = torch.empty((count.value, 4), dtype=torch.int32, device="cpu")
        features = torch.empty((count.value, len(channels)), dtype=torch.float32, device="cpu")
    except BaseException:
        library.call("voxels_take", made, None, None, None, 0, 0.0, 0.0, 1)
        raise
    for column, (channel, value) in enumerate(zip(channels, fill, strict=True)):
        if channel < 0:
            features[:, column] = value
    low, high = color_range
    library.call("voxels_take", made, coords.data_ptr(), features.data_ptr(),
                 (ctypes.c_int32 * len(channels))(*channels), len(channels), low, high, threads())  # fmt: skip
    return coords, features, inverse

"""Points to voxels and back: the grid, its colours and the inverse map; and one point for each occupied voxel."""

import contextlib
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ppkt_zoo.errors import EngineError, InputError
from ppkt_zoo.native import Library, library
from ppkt_zoo.native.voxels import find_voxels, fits_tables
from ppkt_zoo.points.arrays import extremes
from ppkt_zoo.points.cloud import CloudBatch
from ppkt_zoo.points.floor import floor_of
from ppkt_zoo.points.input_spec import COLORS, InputSpec

_MISSING_GREY = 127.5
# Beyond it float32 metres no longer tell neighbouring cells apart.
_MAX_CELLS = 1 << 24
# Points that are worked on at a time.
_BLOCK = 1 << 14
# A table with an entry for every cell of the grid is faster than sorting while it has at most so many entries.
_DENSE_CELLS = 1 << 22
_DENSE_CELLS_A_POINT = 32
# A place inside a voxel is a whole number of so many parts: sums of whole numbers have no order.
_PARTS = 1 << 20
_HASH_MASK = (1 << 31) - 1


@dataclass(frozen=True)
class Voxels:
    """A batch of clouds on a voxel grid.

    Attributes:
        coords: int32 (M, 4) as (cloud, x, y, z), sorted by exactly that order, no row twice. Each cloud's
            grid starts at its own smallest corner, so the smallest x, y, z of every cloud are 0.
        features: float32 (M, C), channels by the weight's InputSpec.
        inverse: int64 (N,), the voxel of each point.
    """

    coords: Tensor
    features: Tensor
    inverse: Tensor


def voxelize(batch: CloudBatch, spec: InputSpec) -> Voxels:
    """Put points on the grid of a weight; works on the device of the batch.

    A point lies in cell ``floor((xyz - min) / voxel_size)`` with the minimum of its own cloud. Colour is
    the mean of the uint8 colours in the cell from exact integer sums: the order of points never matters.

    Args:
        batch: N points, metres.
        spec: voxel size in metres, channels, and the rule for a missing colour.

    Raises:
        InputError: the weight wants colour and the batch has none, no cloud has a point, or the extent does not fit
            the grid.
    """
    if batch.xyz.shape[0] == 0:
        raise InputError("all clouds of the batch are empty: at least one needs a point")
    if spec.wants_color and (batch.rgb is None or batch.uncolored) and spec.missing_color == "error":
        names = ", ".join(channel for channel in spec.channels if channel in COLORS)
        cloud = f"cloud {batch.uncolored[0]} of the batch" if batch.uncolored else "the cloud"
        raise InputError(
            f"this weight needs colour (channels {names}) and {cloud} has none: "
            "give rgb=..., or choose a weight that does without colour"
        )
    voxels = _voxelize(batch, spec)
    _take_color_off(voxels, batch.uncolored, spec)
    _put_height(voxels, batch, spec)
    return voxels


def _voxelize(batch: CloudBatch, spec: InputSpec) -> Voxels:
    """The grid and its channels, as if no cloud were uncoloured among coloured ones."""
    corners, lengths = _grid(batch, spec.voxel_size)
    native = library() if batch.xyz.device.type == "cpu" else None
    if native is not None and fits_tables(batch.xyz.shape[0], len(batch.sizes) * math.prod(lengths)):
        # More points of one voxel than its sums can hold, or too little memory for the tables: sorting does without.
        with contextlib.suppress(EngineError):
            return _voxelize_natively(native, batch, spec, corners, lengths)
    key = _number_cells(batch, spec.voxel_size, corners, lengths)
    key, inverse = _distinct(key, len(batch.sizes) * math.prod(lengths))
    coords = torch.empty((key.shape[0], 4), dtype=torch.int32, device=key.device)
    for axis in (3, 2, 1):
        length = lengths[axis - 1]
        coords[:, axis] = key % length
        key = key.div(length, rounding_mode="floor")
    coords[:, 0] = key
    return Voxels(coords, _channels(batch, spec, inverse, coords.shape[0]), inverse)


def _voxelize_natively(
    native: Library, batch: CloudBatch, spec: InputSpec, corners: Tensor, lengths: list[int]
) -> Voxels:
    grey = _missing_color(spec)
    channels = [COLORS.get(channel, -1) if batch.rgb is not None else -1 for channel in spec.channels]
    flag = float(batch.rgb is not None)
    fill = [{"ones": 1.0, "has_color": flag}.get(channel, grey) for channel in spec.channels]
    rgb = batch.rgb if spec.wants_color else None
    found = find_voxels(
        native, batch.xyz, rgb, batch.sizes, corners, spec.voxel_size, lengths, channels, fill, spec.color_range
    )
    return Voxels(*found)


def _grid(batch: CloudBatch, voxel_size: float) -> tuple[Tensor, list[int]]:
    """The smallest corner of each cloud, float64 (B, 3), and the grid's cells along x, y and z."""
    clouds = batch.xyz.split(list(batch.sizes))
    # float64, or a point on the border of two cells would fall to one side on the CPU and to the other on CUDA.
    ends = [extremes(cloud) if len(cloud) else (cloud.new_zeros(3), cloud.new_zeros(3)) for cloud in clouds]
    corners, tops = (torch.stack(one).double() for one in zip(*ends, strict=True))
    widths = ((tops - corners) / voxel_size).max(dim=0).values.tolist()
    widest = max(widths)
    if not widest < _MAX_CELLS:
        raise InputError(
            f"the cloud is {widest * voxel_size:.4g} m wide, {widest:.3g} voxels of {voxel_size:g} m; "
            f"at most {_MAX_CELLS} fit: is xyz in metres, and without outliers?"
        )
    lengths = [int(width) + 1 for width in widths]
    if len(clouds) * math.prod(lengths) >= 1 << 53:
        raise InputError(f"a grid of {lengths} voxels for {len(clouds)} clouds has too many cells to number")
    return corners, lengths


def _number_cells(batch: CloudBatch, voxel_size: float, corners: Tensor, lengths: list[int]) -> Tensor:
    """The number of every point's cell, int64 (N,), by (cloud, x, y, z)."""
    # Whole numbers below 2^53 are exact in float64, so a product gives the number of a cell.
    strides = corners.new_tensor([lengths[1] * lengths[2], lengths[2], 1])
    cells = math.prod(lengths)
    keys = []
    for number, (cloud, corner) in enumerate(zip(batch.xyz.split(list(batch.sizes)), corners, strict=True)):
        # On the CPU block by block: what is between points and keys never leaves the processor's cache.
        size = max(1, len(cloud) if cloud.is_cuda else min(_BLOCK, len(cloud)))
        tiled = corner.repeat(size, 1)  # without broadcasting the subtraction is faster than with it
        for block in cloud.split(size):
            cell = block.double().sub_(tiled[: len(block)]).div_(voxel_size).floor_()
            keys.append((cell @ strides).add_(number * cells))
    return torch.cat(keys).long()


def _distinct(key: Tensor, cells: int) -> tuple[Tensor, Tensor]:
    """Distinct keys, rising, and for each key which of them it is; where the grid is small, without sorting."""
    if cells > max(_DENSE_CELLS, _DENSE_CELLS_A_POINT * key.shape[0]):
        return torch.unique(key, sorted=True, return_inverse=True)
    occupied = torch.zeros(cells, dtype=torch.bool, device=key.device).index_fill_(0, key, True)
    # On the CPU numpy's is six times as fast as torch's.
    distinct = occupied.nonzero()[:, 0] if key.is_cuda else torch.from_numpy(np.flatnonzero(occupied.numpy()))
    # Only the entries of occupied cells are ever read.
    rank = torch.empty(cells, dtype=torch.int64, device=key.device)
    rank[distinct] = torch.arange(distinct.shape[0], device=key.device)
    return distinct, rank.index_select(0, key)


def _channels(batch: CloudBatch, spec: InputSpec, inverse: Tensor, voxels: int) -> Tensor:
    """Channel values of every voxel, float32 (M, C)."""
    low, high = spec.color_range
    counts = torch.bincount(inverse, minlength=voxels).double() if spec.wants_color and batch.rgb is not None else None
    features = torch.ones((voxels, len(spec.channels)), dtype=torch.float32, device=inverse.device)
    for column, channel in enumerate(spec.channels):
        if channel not in COLORS:
            features[:, column] = 1.0 if channel == "ones" else float(batch.rgb is not None)
            continue
        if batch.rgb is None or counts is None:
            features[:, column] = _missing_color(spec)
            continue
        # Sums of integers have no order.
        total = torch.zeros(voxels, dtype=torch.int64, device=inverse.device)
        total.scatter_add_(0, inverse, batch.rgb[:, COLORS[channel]].long())
        features[:, column] = (total / counts / 255.0 * (high - low) + low).float()
    return features


def _take_color_off(voxels: Voxels, uncolored: tuple[int, ...], spec: InputSpec) -> None:
    """Give the voxels of clouds without colour what a batch without any colour has."""
    if not uncolored:
        return
    rows = torch.isin(voxels.coords[:, 0], voxels.coords.new_tensor(uncolored))
    for column, channel in enumerate(spec.channels):
        if channel not in ("ones", "height"):
            voxels.features[rows, column] = 0.0 if channel == "has_color" else _missing_color(spec)


def _put_height(voxels: Voxels, batch: CloudBatch, spec: InputSpec) -> None:
    """Write the channel ``height``, where there is one: from places and cells alone, so the engine does not matter."""
    if "height" not in spec.channels:
        return
    clouds = [cloud[:, 2] for cloud in batch.xyz.split(list(batch.sizes))]
    # How far the floor lies above the cell z = 0 of each cloud's grid; an empty cloud has no voxel that asks.
    above = [
        floor_of(z).double() - z.amin().double() if len(z) else z.new_zeros((), dtype=torch.float64) for z in clouds
    ]
    middle = (voxels.coords[:, 3].double() + 0.5) * spec.voxel_size
    height = middle - torch.stack(above)[voxels.coords[:, 0].long()]
    voxels.features[:, spec.channels.index("height")] = height.float()


def _missing_color(spec: InputSpec) -> float:
    """What stands in a colour channel where the cloud has no colour."""
    low, high = spec.color_range
    return _MISSING_GREY / 255.0 * (high - low) + low


@dataclass(frozen=True)
class DownsampledBatch:
    """A batch of clouds with one point for each occupied voxel.

    Within a cloud the rows stand in a shuffled order that depends on the cells alone, so the first n rows of any
    region are a fair sample of it, the same whatever the order of the input points.

    Attributes:
        xyz: float32 (M, 3), metres from the cloud's smallest corner; the mean of the voxel's points.
        features: float32 (M, C), channels by the weight's InputSpec.
        sizes: rows of each cloud.
        inverse: int64 (N,), the row of each input point.
        corners: float64 (B, 3), the smallest corner of each cloud.
    """

    xyz: Tensor
    features: Tensor
    sizes: tuple[int, ...]
    inverse: Tensor
    corners: Tensor


def voxel_downsample(batch: CloudBatch, spec: InputSpec) -> DownsampledBatch:
    """Join the points of each voxel of a weight's grid to one; device and errors are those of :func:`voxelize`."""
    voxels = voxelize(batch, spec)
    coords, count = voxels.coords.long(), voxels.coords.shape[0]
    clouds = batch.xyz.split(list(batch.sizes))
    corners = torch.stack([cloud.amin(dim=0) if len(cloud) else cloud.new_zeros(3) for cloud in clouds]).double()
    # The grid's own arithmetic, so every point lies in [0, 1) of its cell.
    inside = (batch.xyz.double() - corners[batch.cloud]) / spec.voxel_size - coords[voxels.inverse, 1:]
    total = torch.zeros((count, 3), dtype=torch.int64, device=coords.device)
    total.index_add_(0, voxels.inverse, (inside * _PARTS).round_().long())
    points = torch.bincount(voxels.inverse, minlength=count)
    xyz = ((total.double() / points[:, None] / _PARTS + coords[:, 1:]) * spec.voxel_size).float()

    order = torch.argsort((coords[:, 0] << 32) + _hash(coords[:, 1:]), stable=True)
    place = torch.empty_like(order)
    place[order] = torch.arange(count, device=order.device)
    sizes = torch.bincount(coords[:, 0], minlength=len(batch.sizes)).tolist()
    return DownsampledBatch(xyz[order], voxels.features[order], tuple(sizes), place[voxels.inverse], corners)


def _hash(cells: Tensor) -> Tensor:
    """A number below 2^31 for each cell, int64 (M,), without any pattern along the axes."""
    key = (cells[:, 0] * 73856093) ^ (cells[:, 1] * 19349663) ^ (cells[:, 2] * 83492791)
    for _ in range(2):
        key = (key ^ (key >> 15)) * 739982445 & _HASH_MASK
    return key ^ (key >> 15)

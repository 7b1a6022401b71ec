"""Points to voxels and back: the grid, the mean colour of a voxel, and the inverse map."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ppkt_zoo.errors import InputError
from ppkt_zoo.points.cloud import CloudBatch
from ppkt_zoo.points.input_spec import InputSpec

_COLORS = {"red": 0, "green": 1, "blue": 2}
_MISSING_GREY = 127.5
# Beyond it float32 metres no longer tell neighbouring cells apart.
_MAX_CELLS = 1 << 24


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
        InputError: the weight wants colour and the batch has none, or the extent does not fit the grid.
    """
    if spec.wants_color and batch.rgb is None and spec.missing_color == "error":
        names = ", ".join(channel for channel in spec.channels if channel != "ones")
        raise InputError(
            f"this weight needs colour (channels {names}) and the cloud has none: "
            "give rgb=..., or choose a weight that does without colour"
        )
    cells = _cells(batch, spec.voxel_size)
    lengths = [int(length) for length in (cells.max(dim=0).values + 1).tolist()]
    if len(batch.sizes) * lengths[0] * lengths[1] * lengths[2] >= 1 << 62:
        raise InputError(f"a grid of {lengths} voxels for {len(batch.sizes)} clouds has too many cells to number")
    key = ((batch.cloud * lengths[0] + cells[:, 0]) * lengths[1] + cells[:, 1]) * lengths[2] + cells[:, 2]
    key, inverse = torch.unique(key, sorted=True, return_inverse=True)
    coords = torch.empty((key.shape[0], 4), dtype=torch.int32, device=key.device)
    for axis in (3, 2, 1):
        length = lengths[axis - 1]
        coords[:, axis] = key % length
        key = key.div(length, rounding_mode="floor")
    coords[:, 0] = key
    return Voxels(coords, _channels(batch, spec, inverse, coords.shape[0]), inverse)


def _cells(batch: CloudBatch, voxel_size: float) -> Tensor:
    """The cell (x, y, z) of every point in its own cloud's grid, int64 (N, 3)."""
    corners = torch.stack([cloud.min(dim=0).values for cloud in batch.xyz.split(list(batch.sizes))])
    # float64, or a point on the border of two cells would fall to one side on the CPU and to the other on CUDA.
    scaled = (batch.xyz.double() - corners.double()[batch.cloud]) / voxel_size
    widest = float(scaled.max())
    if not widest < _MAX_CELLS:
        raise InputError(
            f"the cloud is {widest * voxel_size:.4g} m wide, {widest:.3g} voxels of {voxel_size:g} m; "
            f"at most {_MAX_CELLS} fit: is xyz in metres, and without outliers?"
        )
    return scaled.floor().long()


def _channels(batch: CloudBatch, spec: InputSpec, inverse: Tensor, voxels: int) -> Tensor:
    """Channel values of every voxel, float32 (M, C)."""
    low, high = spec.color_range
    counts = torch.bincount(inverse, minlength=voxels).double() if spec.wants_color else None
    features = torch.ones((voxels, len(spec.channels)), dtype=torch.float32, device=inverse.device)
    for column, channel in enumerate(spec.channels):
        if channel == "ones":
            continue
        if batch.rgb is None or counts is None:
            features[:, column] = _MISSING_GREY / 255.0 * (high - low) + low
            continue
        # Integers below 2^53 are exact in float64, so the sum has no order.
        total = torch.bincount(inverse, weights=batch.rgb[:, _COLORS[channel]].double(), minlength=voxels)
        features[:, column] = (total / counts / 255.0 * (high - low) + low).float()
    return features

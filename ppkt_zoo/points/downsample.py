"""Voxel downsampling: one point for each occupied voxel, for networks that work on points and not on a grid."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ppkt_zoo.points.cloud import CloudBatch
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.points.voxelize import voxelize

# A place inside a voxel is a whole number of so many parts: sums of whole numbers have no order.
_PARTS = 1 << 20
_HASH_MASK = (1 << 31) - 1


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
    """Join the points of each voxel of a weight's grid to one; works on the device of the batch.

    Raises:
        InputError: as :func:`ppkt_zoo.points.voxelize.voxelize` does.
    """
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

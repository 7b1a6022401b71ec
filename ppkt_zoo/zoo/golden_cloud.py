"""A small cloud of the kind that a network is for: what its reference output is computed for."""

from typing import Any

import numpy as np
import torch

from ppkt_zoo.errors import InputError
from ppkt_zoo.points.cloud import PointCloud

Cloud = PointCloud | tuple[Any, Any] | None

_MOST_POINTS = 4000
# The coarsest level of our networks has voxels of 16 of the finest; a cloud must fill some of them.
_LEAST_VOXELS, _APART = 32, 37.3


def wide_enough(cloud: PointCloud, voxel_size: float) -> PointCloud:
    """The cloud itself, or, where a network would see one voxel of it at its coarsest level, two of them side by side.

    A scan of an object on a table lies in one such voxel, and every point then has one and the same feature there:
    that proves nothing. The second is turned by a quarter, so that the two differ.
    """
    low, high = cloud.xyz.amin(dim=0), cloud.xyz.amax(dim=0)
    if float((high - low).max()) >= _LEAST_VOXELS * voxel_size:
        return cloud
    x, y, z = cloud.xyz.unbind(dim=1)
    beside = torch.stack([-y, x, z], dim=1)
    beside = beside - beside.amin(dim=0) + low
    beside[:, 0] += _APART * voxel_size + high[0] - low[0]
    rgb = None if cloud.rgb is None else torch.cat([cloud.rgb, cloud.rgb])
    return PointCloud(torch.cat([cloud.xyz, beside]), rgb)


def at_the_origin(xyz: np.ndarray, rgb: np.ndarray | None) -> PointCloud:
    """Points as a cloud that begins near the origin, moved by whole metres so that no digit is lost."""
    cloud = PointCloud.from_arrays(xyz, rgb)
    return PointCloud(cloud.xyz - torch.floor(cloud.xyz.amin(dim=0)), cloud.rgb)


def golden_cloud_of(given: Cloud, voxel_size: float) -> PointCloud:
    """A small cloud of the kind a model is for: the one given, downsampled; a procedural room where there is none.

    Raises:
        InputError: it is no cloud.
    """
    if isinstance(given, PointCloud):
        return given
    if given is None:
        from ppkt_zoo.rooms import make_room, room_cloud

        xyz, rgb, _, _ = room_cloud(make_room(3), spacing=0.06, views=2)
    elif isinstance(given, tuple) and len(given) == 2:
        xyz, rgb = given
    else:
        raise InputError(f"golden_cloud must be a PointCloud or (xyz, rgb), got {type(given).__name__}")
    cloud = PointCloud.from_arrays(xyz, rgb).to("cpu")
    rows = np.linspace(0, len(cloud) - 1, min(len(cloud), _MOST_POINTS)).round().astype(np.int64)
    small = at_the_origin(cloud.xyz.numpy()[rows], None if cloud.rgb is None else cloud.rgb.numpy()[rows])
    return wide_enough(small, voxel_size)

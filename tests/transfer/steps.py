"""A step's data without a student: features of some points at two levels, two teacher maps, and pairs."""

import torch
from torch import Tensor

from ppkt_zoo.backbones.features import PointFeatures
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.transfer.objective import PixelPairs, TransferBatch, ViewPairs

CHANNELS = {"stride2": 6, "stride1": 4}
TEACHER = 5


def point_features(points: int = 12) -> dict[str, Tensor]:
    """Level → float (points, C) with gradients, the same each time."""
    draw = torch.Generator().manual_seed(3)
    return {level: torch.randn(points, width, generator=draw).requires_grad_() for level, width in CHANNELS.items()}


def as_points(features: dict[str, Tensor]) -> PointFeatures:
    """The features as a backbone gives them."""
    return PointFeatures(features)


def pixel_batch(pairs: int = 8) -> TransferBatch:
    """Two frames of six points each, half of the pairs in either."""
    draw = torch.Generator().manual_seed(4)
    xyz = torch.rand(6, 3, generator=draw)
    clouds = CloudBatch.collate([PointCloud(xyz), PointCloud(xyz)])
    half = pairs // 2
    point = torch.cat((torch.randperm(6, generator=draw)[:half], 6 + torch.randperm(6, generator=draw)[:half]))
    frame = torch.arange(2).repeat_interleave(half)
    maps = [torch.randn(TEACHER, 3, 4, generator=draw) for _ in range(2)]
    pixels = PixelPairs(point, frame, 2 * torch.rand(pairs, 2, generator=draw))
    nothing = torch.empty(0, dtype=torch.int64)
    return TransferBatch(clouds, maps, pixels, ViewPairs(nothing, nothing))

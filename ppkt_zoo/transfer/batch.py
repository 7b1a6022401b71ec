"""What one training step sees: clouds, the teacher's maps of their images, and which things belong together."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ppkt_zoo.points.cloud import CloudBatch
from ppkt_zoo.transfer.projection import sample_bilinear

__all__ = ["PixelPairs", "TransferBatch", "ViewPairs"]


@dataclass(frozen=True)
class PixelPairs:
    """Points and the pixels that they were seen in.

    Attributes:
        point: int64 (N,), row of each pair's point in the joined clouds.
        frame: int64 (N,), the frame of each pair, rising.
        feature_xy: float32 (N, 2), where each pair's pixel lies in its frame's feature map, in cells (x, y).
    """

    point: Tensor
    frame: Tensor
    feature_xy: Tensor

    def to(self, device: torch.device | str) -> "PixelPairs":
        """The same pairs on another device."""
        return PixelPairs(self.point.to(device), self.frame.to(device), self.feature_xy.to(device))


@dataclass(frozen=True)
class ViewPairs:
    """Points of overlapping views that are the same place of a scene.

    Attributes:
        first, second: int64 (M,), rows in the joined clouds; M may be 0.
    """

    first: Tensor
    second: Tensor

    def to(self, device: torch.device | str) -> "ViewPairs":
        """The same pairs on another device."""
        return ViewPairs(self.first.to(device), self.second.to(device))


@dataclass(frozen=True)
class TransferBatch:
    """One step's data.

    Attributes:
        clouds: the student's input, one cloud for each frame.
        features: float (C, h, w) for each frame, the frozen teacher's map of its image; None without a teacher.
        pixels: pairs of points and pixels.
        views: pairs of points of overlapping views.
    """

    clouds: CloudBatch
    features: list[Tensor] | None
    pixels: PixelPairs
    views: ViewPairs

    def to(self, device: torch.device | str) -> "TransferBatch":
        """The same batch on another device."""
        features = None if self.features is None else [one.to(device) for one in self.features]
        return TransferBatch(self.clouds.to(device), features, self.pixels.to(device), self.views.to(device))

    def teacher_maps(self) -> list[Tensor]:
        """The teacher's maps, for objectives that cannot do without."""
        assert self.features is not None, "an objective with a teacher got a batch without its features"
        return self.features

    def teacher_at_pairs(self) -> Tensor:
        """What the teacher itself says at each pixel pair: float32 (N, C), interpolated, no gradient."""
        with torch.no_grad():
            parts = [
                sample_bilinear(one[None].float(), torch.zeros_like(rows), self.pixels.feature_xy[rows])
                for one, rows in self.by_frame()
            ]
            return torch.cat(parts)

    def by_frame(self) -> list[tuple[Tensor, Tensor]]:
        """Each frame's teacher map and the rows of its pixel pairs."""
        return [
            (one, (self.pixels.frame == index).nonzero().squeeze(1)) for index, one in enumerate(self.teacher_maps())
        ]

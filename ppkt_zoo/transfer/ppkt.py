"""PPKT: the student, the two heads and the pixel-to-point loss as one module (PPKT, section 3)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.points.cloud import CloudBatch
from ppkt_zoo.transfer.losses import pixel_to_point_nce, retrieval_accuracy
from ppkt_zoo.transfer.projection import UPL, PointHead


@dataclass(frozen=True)
class PixelPointBatch:
    """What one training step sees.

    Attributes:
        clouds: the student's input, one cloud for each frame.
        features: float (B, C, h, w), the frozen teacher's map of each frame's image.
        point: int64 (N,), row of each pair's point in the joined clouds.
        frame: int64 (N,), the frame of each pair.
        feature_xy: float32 (N, 2), where each pair's pixel lies in its feature map, in cells (x, y).
    """

    clouds: CloudBatch
    features: list[Tensor]
    point: Tensor
    frame: Tensor
    feature_xy: Tensor

    def to(self, device: torch.device | str) -> "PixelPointBatch":
        """The same batch on another device."""
        return PixelPointBatch(
            self.clouds.to(device),
            [features.to(device) for features in self.features],
            self.point.to(device),
            self.frame.to(device),
            self.feature_xy.to(device),
        )


@dataclass(frozen=True)
class PPKTOutput:
    """Loss (a scalar with gradient) and what is worth watching: retrieval of the right pixel among all pairs."""

    loss: Tensor
    top1: float
    top5: float


class PPKT(nn.Module):
    """Contrastive pixel-to-point transfer from a frozen teacher's features to a student's points.

    Args:
        student: the 3D backbone that is trained.
        teacher_channels: channels of the teacher's feature map.
        level: which of the student's levels meets the pixels.
        dim: size of the common embedding (128 in the paper).
        temperature: τ of the NCE (0.04 in the paper).
    """

    def __init__(self, student: Backbone, teacher_channels: int, level: str, dim: int, temperature: float) -> None:
        super().__init__()
        self.student = student
        self.upl = UPL(teacher_channels, dim)
        self.head = PointHead(student.level_channels[level], dim)
        self.level = level
        self.temperature = temperature

    def embed(self, batch: PixelPointBatch) -> tuple[Tensor, Tensor]:
        """Embeddings of the pairs: points (N, dim) and pixels (N, dim), both of unit length."""
        points = self.head(self.student(batch.clouds).at(self.level, batch.point))
        pixels = torch.empty_like(points)
        for index, features in enumerate(batch.features):
            rows = (batch.frame == index).nonzero().squeeze(1)
            xy = batch.feature_xy[rows]
            one = torch.zeros_like(rows)
            pixels = pixels.index_copy(0, rows, self.upl(features[None].float(), one, xy).to(pixels.dtype))
        return points, pixels

    def forward(self, batch: PixelPointBatch) -> PPKTOutput:
        """Loss of one step.

        Shapes:
            batch.point, batch.frame: (N,); the result's loss: ().
        """
        points, pixels = self.embed(batch)
        loss = pixel_to_point_nce(points, pixels, self.temperature)
        found = retrieval_accuracy(points.detach(), pixels.detach())
        return PPKTOutput(loss, found["top1"], found["top5"])

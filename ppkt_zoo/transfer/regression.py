"""Baselines that PPKT compares itself with: regression of the teacher's features, pixel by pixel or image by image."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

from ppkt_zoo.backbones.base import PointFeatures
from ppkt_zoo.transfer.batch import TransferBatch
from ppkt_zoo.transfer.losses import (
    DistillationKind,
    global_distillation,
    pixelwise_cosine,
    pixelwise_l2,
    pool_by_cloud,
)
from ppkt_zoo.transfer.objective import Objective, Outcome

__all__ = ["GlobalDistillation", "PixelRegression"]


class PixelRegression(Objective):
    """A linear layer on each point's feature gives the teacher's feature, of length 1, at its pixel.

    Args:
        channels: of the student's features at ``level``.
        teacher_channels: of the teacher's feature map.
        level: which of the student's levels meets the pixels.
        kind: "l2", the squared distance, or "cosine", which leaves the prediction's length free.
    """

    name = "regression"

    def __init__(self, channels: int, teacher_channels: int, level: str, kind: Literal["l2", "cosine"]) -> None:
        super().__init__()
        self.head = nn.Linear(channels, teacher_channels)
        self.level, self.kind = level, kind

    def forward(self, points: PointFeatures, batch: TransferBatch, detail: bool = False) -> Outcome:
        """Loss of one step, with the mean cosine of predictions and targets as its figure."""
        predicted = self.head(points.at(self.level, batch.pixels.point)).float()
        target = F.normalize(batch.teacher_at_pairs(), dim=1)
        loss = (pixelwise_l2 if self.kind == "l2" else pixelwise_cosine)(predicted, target, gather=self.training)
        with torch.no_grad():
            figures = {"cosine": float(F.cosine_similarity(predicted, target, dim=1).mean())}
        return Outcome(loss, figures)


class GlobalDistillation(Objective):
    """A linear layer on the mean of a cloud's features gives the mean of the teacher's map of its image.

    Args:
        channels: of the student's features at ``level``.
        teacher_channels: of the teacher's feature map.
        level: which of the student's levels is pooled.
        kind: "l2" (Gupta et al. 2016), or "kl" between softmaxes, which with the stage ``logits`` of a teacher is
            knowledge distillation (Hinton et al. 2015).
        temperature: of "kl".
    """

    name = "global"

    def __init__(
        self, channels: int, teacher_channels: int, level: str, kind: DistillationKind, temperature: float
    ) -> None:
        super().__init__()
        self.head = nn.Linear(channels, teacher_channels)
        self.level, self.kind, self.temperature = level, kind, temperature

    def forward(self, points: PointFeatures, batch: TransferBatch, detail: bool = False) -> Outcome:
        """Loss of one step, with the mean cosine of both sides as its figure."""
        clouds = batch.clouds
        pooled = self.head(pool_by_cloud(points.at(self.level), clouds.cloud, len(clouds.sizes))).float()
        target = torch.stack([one.float().mean(dim=(1, 2)) for one in batch.teacher_maps()])
        loss = global_distillation(pooled, target, self.kind, self.temperature, gather=self.training)
        with torch.no_grad():
            figures = {"cosine": float(F.cosine_similarity(pooled, target, dim=1).mean())}
        return Outcome(loss, figures)

"""Baselines that PPKT compares itself with: regression of the teacher's features, pixel by pixel or image by image, and
contrastive representation distillation (Tian et al. 2020, arXiv 1910.10699).
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ppkt_zoo.backbones.base import PointFeatures
from ppkt_zoo.engine.distributed import world_size
from ppkt_zoo.errors import InputError
from ppkt_zoo.transfer.losses import (
    DistillationKind,
    check_pairs,
    global_distillation,
    joined_pairs,
    pixelwise_cosine,
    pixelwise_l2,
    pool_by_cloud,
    retrieval_accuracy,
)
from ppkt_zoo.transfer.objective import Objective, Outcome, TransferBatch


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


def crd_loss(student: Tensor, teacher: Tensor, temperature: float, *, gather: bool = False) -> Tensor:
    """The loss of CRD's critic, with the other images of the step as negatives.

    L = -1/B sum_i ( log h_ii + sum_{j≠i} log(1 - h_ij) ), h_ij = e_ij / (e_ij + N Z), e_ij = exp(s_i·t_j / τ), with
    N = B - 1 negatives an anchor. Z, the mean of all e_ij, takes the place of the constant by which the authors' code
    brings their critic's e to the scale of the data set's size; like theirs it gets no gradient. Anchors of the one
    side and of the other meet the same pairs within a step, so one sum holds both. Embeddings that say nothing give
    log B + (B - 1) log(B / (B - 1)).

    Args:
        student: (B, D) of length 1, a vector a cloud.
        teacher: (B, D) of length 1, of the same clouds' images.
        temperature: τ, positive.
        gather: clouds of all processes are negatives; B may differ from one to another.

    Raises:
        InputError: shapes differ, fewer than two clouds, or a temperature that is not positive.
    """
    ranks = world_size() if gather else 1
    check_pairs(student, teacher, fewest=2 if ranks == 1 else 0)
    if not temperature > 0:
        raise InputError(f"temperature must be positive, got {temperature}")
    with torch.autocast(student.device.type, enabled=False):
        own, _, every_own, every_paired, first = joined_pairs(student, teacher, ranks, "clouds")
        count = len(every_own)
        with torch.no_grad():
            level = torch.logsumexp((every_own @ every_paired.T).flatten() / temperature, dim=0) - 2 * math.log(count)
        # log h / (1 - h): the critic as a logistic regression.
        scores = own @ every_paired.T / temperature - level - math.log(count - 1)
        rows = torch.arange(len(own), device=own.device)
        truth = torch.zeros_like(scores)
        truth[rows, rows + first] = 1.0
        loss = F.binary_cross_entropy_with_logits(scores, truth, reduction="sum")
    return loss * (ranks / count)


class ContrastiveDistillation(Objective):
    """A linear layer on either side brings the mean of a cloud's features and of its image's map into one space.

    Args:
        channels: of the student's features at ``level``.
        teacher_channels: of the teacher's feature map.
        level: which of the student's levels is pooled.
        dim: of the common space (128 in CRD).
        temperature: τ.
    """

    name = "crd"

    def __init__(self, channels: int, teacher_channels: int, level: str, dim: int, temperature: float) -> None:
        super().__init__()
        self.head = nn.Linear(channels, dim)
        self.teacher_head = nn.Linear(teacher_channels, dim)
        self.level, self.temperature = level, temperature

    def forward(self, points: PointFeatures, batch: TransferBatch, detail: bool = False) -> Outcome:
        """Loss of one step, with the share of clouds that find their own image among the step's.

        Raises:
            InputError: fewer than two clouds.
        """
        clouds = batch.clouds
        pooled = self.head(pool_by_cloud(points.at(self.level), clouds.cloud, len(clouds.sizes))).float()
        maps = torch.stack([one.float().mean(dim=(1, 2)) for one in batch.teacher_maps()])
        student, teacher = F.normalize(pooled, dim=1), F.normalize(self.teacher_head(maps).float(), dim=1)
        loss = crd_loss(student, teacher, self.temperature, gather=self.training)
        figures: dict[str, float] = {}
        if detail and bool(torch.isfinite(loss)) and len(student) > 1:
            with torch.no_grad():
                figures["top1"] = retrieval_accuracy(student, teacher)["top1"]
        return Outcome(loss, figures)

"""Contrastive representation distillation (Tian et al. 2020, arXiv 1910.10699), a baseline of PPKT.

One vector of a cloud must be told to belong to its own image, and to none of the others.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ppkt_zoo.backbones.base import PointFeatures
from ppkt_zoo.engine.distributed import all_gather_rows, world_size
from ppkt_zoo.errors import InputError
from ppkt_zoo.transfer.batch import TransferBatch
from ppkt_zoo.transfer.losses import pool_by_cloud
from ppkt_zoo.transfer.metrics import at_least_float32, check_pairs, retrieval_accuracy
from ppkt_zoo.transfer.objective import Objective, Outcome

__all__ = ["ContrastiveDistillation", "crd_loss"]


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
        own, paired = at_least_float32(student), at_least_float32(teacher)
        # Both sides travel together, as in `losses.contrast_pairs`.
        both = torch.cat((own, paired), dim=1)
        every, first = all_gather_rows(both) if ranks > 1 else (both, 0)
        every_own, every_paired = every.split(own.shape[1], dim=1)
        count = len(every)
        if count < 2:
            raise InputError(f"a contrast needs at least two clouds, all processes together have {count}")
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

"""Objective: something that a student's point features are taught, with the heads that it needs."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ppkt_zoo.backbones.base import PointFeatures
from ppkt_zoo.transfer.batch import TransferBatch
from ppkt_zoo.transfer.losses import embedding_rank, retrieval_accuracy

__all__ = ["Objective", "Outcome", "contrast_figures", "nothing_to_learn"]


@dataclass(frozen=True)
class Outcome:
    """A loss (a scalar with gradient) and the figures that are worth watching."""

    loss: Tensor
    figures: dict[str, float] = field(default_factory=dict)


class Objective(nn.Module, ABC):
    """One loss on a student's point features.

    Attributes:
        name: what its figures and its tensors in a weight's projection file begin with.
    """

    name: str

    @abstractmethod
    def forward(self, points: PointFeatures, batch: TransferBatch, detail: bool = False) -> Outcome:
        """The loss of one step; ``detail`` asks for the figures beside it."""


def contrast_figures(anchors: Tensor, candidates: Tensor, prefix: str = "") -> dict[str, float]:
    """Retrieval among a step's pairs, and what shows a collapse: effective rank and norms. They cost time.

    Args:
        anchors, candidates: (N, D) raw embeddings, before they are brought to length 1.
        prefix: of the figures' names.
    """
    with torch.no_grad():
        if not (anchors.isfinite().all() and candidates.isfinite().all()):
            return {}  # the loss is no number either, and the trainer will say so
        units = F.normalize(anchors.detach().float(), dim=1)
        found = retrieval_accuracy(units, F.normalize(candidates.detach().float(), dim=1))
        found["rank"] = embedding_rank(units)
        found["anchor_norm"] = float(anchors.detach().float().norm(dim=1).mean())
        found["candidate_norm"] = float(candidates.detach().float().norm(dim=1).mean())
    return {f"{prefix}{name}": value for name, value in found.items()}


def nothing_to_learn(*embeddings: Tensor) -> Tensor:
    """A loss of zero that still reaches every parameter, as training on several processes needs."""
    return torch.stack([one.sum() * 0.0 for one in embeddings]).sum()

"""What a student is taught: an objective with its heads, and a student with its objectives."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ppkt_zoo.backbones.base import Backbone, PointFeatures
from ppkt_zoo.errors import InputError
from ppkt_zoo.transfer.batch import TransferBatch
from ppkt_zoo.transfer.metrics import embedding_rank, retrieval_accuracy

__all__ = ["Objective", "Outcome", "TransferModel", "contrast_figures", "nothing_to_learn"]


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


class TransferModel(nn.Module):
    """A student that learns from one objective, or from several at once.

    Args:
        student: the 3D backbone that is trained.
        objectives: what it is taught, each with its weight in the total loss; no two of one name. With none the
            student can only be exported as it is.
    """

    def __init__(self, student: Backbone, objectives: Sequence[tuple[Objective, float]]) -> None:
        super().__init__()
        names = [objective.name for objective, _ in objectives]
        if len(set(names)) != len(names):
            raise InputError(f"a student needs objectives of different names, got {', '.join(names)}")
        self.student = student
        self.objectives = nn.ModuleDict({objective.name: objective for objective, _ in objectives})
        self.weights = {objective.name: weight for objective, weight in objectives}

    def forward(self, batch: TransferBatch, detail: bool = False) -> Outcome:
        """The weighted sum of the objectives' losses, and their figures where asked for.

        Args:
            batch: the step's data.
            detail: the figures too: retrieval among the step's pairs, norms and rank of the embeddings.
        """
        points = self.student(batch.clouds)
        losses: list[Tensor] = []
        figures: dict[str, float] = {}
        for name, objective in self.objectives.items():
            outcome: Outcome = objective(points, batch, detail)
            losses.append(self.weights[name] * outcome.loss)
            figures |= outcome.figures
            if detail and len(self.objectives) > 1:
                figures[f"{name}_loss"] = float(outcome.loss.detach())
        total = losses[0]
        for loss in losses[1:]:
            total = total + loss
        return Outcome(total, figures)

    def projection(self) -> dict[str, Tensor]:
        """Tensors of the heads, as they stand in a weight's projection file: PPKT's own without a prefix."""
        tensors: dict[str, Tensor] = {}
        for name, objective in self.objectives.items():
            prefix = "" if name == "ppkt" else f"{name}."
            tensors |= {f"{prefix}{key}": tensor for key, tensor in objective.state_dict().items()}
        return tensors


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

"""A student and what it is taught, as one module: what the trainer trains."""

from collections.abc import Sequence

from torch import Tensor, nn

from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.errors import InputError
from ppkt_zoo.transfer.batch import TransferBatch
from ppkt_zoo.transfer.objective import Objective, Outcome

__all__ = ["TransferModel"]


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

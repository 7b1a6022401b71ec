"""What a training step sees, and what a student is taught: objectives with their heads, a student with its own."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ppkt_zoo.backbones.base import Backbone, PointFeatures
from ppkt_zoo.engine.moving import OnDevice
from ppkt_zoo.errors import InputError
from ppkt_zoo.points.cloud import CloudBatch
from ppkt_zoo.transfer.losses import embedding_rank, retrieval_accuracy
from ppkt_zoo.transfer.projection import sample_bilinear


@dataclass(frozen=True)
class PixelPairs(OnDevice):
    """Points and the pixels that they were seen in.

    Attributes:
        point: int64 (N,), row of each pair's point in the joined clouds.
        frame: int64 (N,), the frame of each pair, rising.
        feature_xy: float32 (N, 2), where each pair's pixel lies in its frame's feature map, in cells (x, y).
    """

    point: Tensor
    frame: Tensor
    feature_xy: Tensor


@dataclass(frozen=True)
class ViewPairs(OnDevice):
    """Points of overlapping views that are the same place of a scene.

    Attributes:
        first, second: int64 (M,), rows in the joined clouds; M may be 0.
    """

    first: Tensor
    second: Tensor


@dataclass(frozen=True)
class TeacherView(OnDevice):
    """What a further teacher says of the same frames and pixels.

    Attributes:
        features: float (C, h, w) for each frame.
        feature_xy: float32 (N, 2), where each pair's pixel lies in its frame's map, in cells (x, y).
    """

    features: list[Tensor]
    feature_xy: Tensor


@dataclass(frozen=True)
class TransferBatch(OnDevice):
    """One step's data.

    Attributes:
        clouds: the student's input, one cloud for each frame or each row of fused views.
        features: float (C, h, w) for each frame, the frozen teacher's map of its image; None without a teacher.
        pixels: pairs of points and pixels.
        views: pairs of points of overlapping views.
        further: what further teachers say, by their names in the recipe.
    """

    clouds: CloudBatch
    features: list[Tensor] | None
    pixels: PixelPairs
    views: ViewPairs
    further: dict[str, TeacherView] = field(default_factory=dict)

    def seen_by(self, teacher: str | None) -> "TransferBatch":
        """The same data with the maps of a further teacher in the place of the first one's; itself for None."""
        if teacher is None:
            return self
        view = self.further[teacher]
        return replace(self, features=view.features, pixels=replace(self.pixels, feature_xy=view.feature_xy))

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
        return {
            f"{_prefix(name)}{key}": tensor
            for name, objective in self.objectives.items()
            for key, tensor in objective.state_dict().items()
        }

    def load_projection(self, tensors: Mapping[str, Tensor], new: Sequence[str] = ()) -> None:
        """Take up the heads' tensors, named as :meth:`projection` names them.

        Args:
            tensors: by name.
            new: what names begin with (an objective, ``deep``, ``OBJECTIVE.deep``) whose tensors stay as they are;
                ``tensors`` has none.

        Raises:
            InputError: a name or a shape is another one, or nothing is named so; nothing was taken up.
        """
        own = self.projection()
        kept = {name: [key for key in own if key.startswith(f"{name}.")] for name in new}
        if unknown := [name for name, keys in kept.items() if not keys]:
            raise InputError(f"no head of this model is named {unknown[0]}: nothing of it can be new")
        expected = {key: tuple(own[key].shape) for key in own.keys() - set().union(*kept.values())}
        found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        for name in sorted(expected.keys() | found.keys()):
            if expected.get(name) != found.get(name):
                raise InputError(
                    f"head {name} has shape {found.get(name, 'none, it is missing')}, "
                    f"{expected.get(name, 'no such head')} is needed"
                )
        whole = own | dict(tensors)
        for name, objective in self.objectives.items():
            prefix = _prefix(name)
            objective.load_state_dict({key: whole[f"{prefix}{key}"] for key in objective.state_dict()})


def _prefix(objective: str) -> str:
    return "" if objective == "ppkt" else f"{objective}."


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

"""From proposals to boxes with scores (Qi et al. 2019, arXiv 1904.09664, section 5 and appendix A.1)."""

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ppkt_zoo.downstream.detection.box_coder import decode_heading
from ppkt_zoo.downstream.detection.boxes import suppressed
from ppkt_zoo.downstream.detection.model import Proposals, VoteNet
from ppkt_zoo.downstream.detection.targets import inside
from ppkt_zoo.errors import TrainingError

__all__ = ["Detections", "decode", "proposed_boxes"]

#: Probability of an object above which a box is kept.
LEAST_OBJECTNESS = 0.05
#: Points of the cloud that a box must hold.
FEWEST_POINTS = 5
#: Overlap with a better box of its class above which a box goes.
SUPPRESSION = 0.25
# A network that has learned little may name a size below zero; a centimetre is the smallest box.
_SMALLEST = 0.01
# Pairs of point and box that are looked at together.
_PAIRS = 1 << 21


@dataclass(frozen=True)
class Detections:
    """What was found in one cloud, the surest object first.

    Attributes:
        boxes: float64 (K, 7): centre, full size, heading in radians counter-clockwise about +z.
        probability: float64 (K, C), P(object) · P(class) of every class.
        classes: their names.
    """

    boxes: NDArray[np.float64]
    probability: NDArray[np.float64]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def label(self) -> NDArray[np.int64]:
        """int64 (K,), the likeliest class of each box."""
        return self.probability.argmax(axis=1)

    @property
    def score(self) -> NDArray[np.float64]:
        """float64 (K,), the probability of that class."""
        best: NDArray[np.float64] = self.probability.max(axis=1)
        return best

    def of_every_class(self) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
        """Boxes (K·C, 7), label and score (K·C,): each box once for every class, as average precision counts."""
        count = len(self.classes)
        label = np.tile(np.arange(count), len(self))
        return np.repeat(self.boxes, count, axis=0), label, self.probability.reshape(-1)


def proposed_boxes(found: Proposals, mean_sizes: Tensor) -> Tensor:
    """The box of each proposal, by its likeliest heading bin and size class: float32 (P, 7).

    One bin means upright boxes: their heading is 0 whatever the residual.
    """
    every = torch.arange(len(found.center), device=found.center.device)
    size = found.size.argmax(dim=1)
    edges = mean_sizes[size] * (1 + found.size_residual[every, size])
    bins = found.heading.shape[1]
    chosen = found.heading.argmax(dim=1)
    heading = decode_heading(chosen, found.heading_residual[every, chosen], bins)
    heading = heading if bins > 1 else torch.zeros_like(heading)
    return torch.cat([found.center, edges.clamp(min=_SMALLEST), heading[:, None]], dim=1)


@torch.no_grad()
def decode(model: VoteNet, found: Proposals, xyz: Tensor, sizes: tuple[int, ...]) -> list[Detections]:
    """Boxes of each cloud: sure enough, not empty, and the best of those of one class that overlap.

    Args:
        model: whose proposals they are.
        found: the proposals of a batch.
        xyz: float32 (N, 3), the points of the batch.
        sizes: points of each cloud.

    Raises:
        TrainingError: a proposal has NaN or infinite numbers.
    """
    for field in fields(found):
        value = getattr(found, field.name)
        if isinstance(value, Tensor) and not bool(torch.isfinite(value).all()):
            raise TrainingError(
                f"the detector's {field.name} has NaN or infinite numbers: its weights are damaged or it diverged "
                "in training; load them anew, or train with a lower learning rate"
            )
    boxes = proposed_boxes(found, model.mean_sizes)
    objectness, semantic = found.objectness.softmax(dim=1)[:, 1], found.semantic.softmax(dim=1)
    answer = []
    for points, mine, sure, classes in zip(
        *(xyz.split(list(sizes)), *(values.split(list(found.sizes)) for values in (boxes, objectness, semantic))),
        strict=True,
    ):
        rows = (sure > LEAST_OBJECTNESS).nonzero()[:, 0]
        rows = rows[_points_inside(points, mine[rows]) >= FEWEST_POINTS]
        kept, score, probability = (values[rows].cpu().numpy().astype(np.float64) for values in (mine, sure, classes))
        best = suppressed(kept, score, probability.argmax(axis=1), SUPPRESSION)
        answer.append(Detections(kept[best], score[best, None] * probability[best], model.classes))
    return answer


def _points_inside(xyz: Tensor, boxes: Tensor) -> Tensor:
    """How many points each box holds: int64 (K,)."""
    parts = boxes.split(max(1, _PAIRS // max(1, len(xyz))))
    return torch.cat([inside(xyz, some).sum(dim=0) for some in parts])

"""VoteNet's losses (Qi et al. 2019, arXiv 1904.09664, sections 4.1 to 4.3 and appendix A.1), always in float32."""

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from ppkt_zoo.downstream.detection.model import Proposals
from ppkt_zoo.downstream.detection.targets import TrueBoxes, assign, distances, encode_heading, inside, of_each_cloud

#: Cross entropy's weights of no object and of an object: most clusters are none.
_OBJECTNESS_WEIGHTS = (0.2, 0.8)
#: Share of the two choices (bin of the heading, class of the size) in a box's loss.
_CHOICE = 0.1


@dataclass(frozen=True)
class DetectionLoss:
    """The parts, each a scalar; see :attr:`total` for their weights."""

    vote: Tensor
    objectness: Tensor
    center: Tensor
    heading: Tensor
    heading_residual: Tensor
    size: Tensor
    size_residual: Tensor
    semantic: Tensor

    @property
    def box(self) -> Tensor:
        """Loss of the boxes of proposals that are objects."""
        return self.center + _CHOICE * (self.heading + self.size) + self.heading_residual + self.size_residual

    @property
    def total(self) -> Tensor:
        """10 · (vote + 0.5 · objectness + box + 0.1 · semantic)."""
        return 10 * (self.vote + 0.5 * self.objectness + self.box + 0.1 * self.semantic)

    def figures(self) -> dict[str, float]:
        """All parts and the total as numbers."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: float(value.detach()) for name, value in {"total": self.total, **parts}.items()}


def detection_loss(found: Proposals, truth: TrueBoxes, mean_sizes: Tensor, margin: float = 0.0) -> DetectionLoss:
    """Compare the proposals of a batch with its true boxes.

    Args:
        found: of VoteNet.
        truth: the true boxes of the same clouds.
        mean_sizes: float32 (C, 3), each class's mean full size.
        margin: metres around a box in which a seed still belongs to it: scanned surfaces lie on a box's faces, and
            half of their noise beyond.
    """
    with torch.autocast(found.votes.device.type, enabled=False):
        vote = _vote_loss(found, truth, margin)
        what = assign(found.clusters, found.sizes, truth)
        weights = found.objectness.new_tensor(_OBJECTNESS_WEIGHTS)
        objectness = F.cross_entropy(found.objectness, what.near.long(), weights, reduction="none")
        center = _center_loss(found, truth, what.near)
        rows = what.near.nonzero()[:, 0]
        boxes, label = truth.boxes[what.box[rows]], truth.label[what.box[rows]]
        bins, residual = encode_heading(boxes[:, 6], found.heading.shape[1])
        heading_error = found.heading_residual[rows, bins] - residual
        mean = mean_sizes[label]
        size_error = found.size_residual[rows, label] - (boxes[:, 3:6] - mean) / mean
        return DetectionLoss(
            vote=vote,
            objectness=_mean(objectness, what.near | what.far),
            center=center,
            heading=_over(F.cross_entropy(found.heading[rows], bins, reduction="none")),
            heading_residual=_over(_huber(heading_error)),
            size=_over(F.cross_entropy(found.size[rows], label, reduction="none")),
            size_residual=_over(_huber(size_error).mean(dim=1)),
            semantic=_over(F.cross_entropy(found.semantic[rows], label, reduction="none")),
        )


def _vote_loss(found: Proposals, truth: TrueBoxes, margin: float) -> Tensor:
    """Sum of the three coordinates' errors, mean over the seeds in boxes.

    A seed in several boxes may vote for any of them (VoteNet keeps three, we all): its nearest centre counts.
    """
    errors, seeds_in_boxes = found.votes.new_zeros(()), 0
    for part, true in of_each_cloud(found.seed_sizes, truth.sizes):
        mine = truth.boxes[true]
        holds = inside(found.seeds[part], mine, margin)
        error = (found.votes[part, None] - mine[None, :, :3]).abs().sum(dim=2)
        held = holds.any(dim=1)
        errors = errors + error.masked_fill(~holds, torch.inf).amin(dim=1)[held].sum()
        seeds_in_boxes += int(held.sum())
    return errors / max(1, seeds_in_boxes) + 0 * found.votes.sum()


def _center_loss(found: Proposals, truth: TrueBoxes, near: Tensor) -> Tensor:
    """Chamfer distance (squared): objects to their nearest true centre, and true centres to their nearest proposal."""
    there, back = found.center.new_zeros(()), found.center.new_zeros(())
    for part, true in of_each_cloud(found.sizes, truth.sizes):
        table = distances(found.center[part], truth.boxes[true, :3])
        there = there + (table.amin(dim=1) * near[part]).sum()
        back = back + table.amin(dim=0).sum()
    return there / near.sum().clamp(min=1) + back / max(1, len(truth.boxes)) + 0 * found.center.sum()


def _huber(error: Tensor) -> Tensor:
    return F.huber_loss(error, torch.zeros_like(error), reduction="none", delta=1.0)


def _over(values: Tensor) -> Tensor:
    """Mean over the proposals that are objects; 0, with gradients, where there is none."""
    return values.sum() / max(1, len(values))


def _mean(values: Tensor, counted: Tensor) -> Tensor:
    return (values * counted).sum() / counted.sum().clamp(min=1)

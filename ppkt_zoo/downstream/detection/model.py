"""VoteNet on any backbone (Qi et al. 2019, arXiv 1904.09664, section 4 and appendix A.1)."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.backbones.point_layers import SetAbstraction, SharedMLP
from ppkt_zoo.backbones.pointnet2 import Seeds
from ppkt_zoo.errors import InputError, TrainingError
from ppkt_zoo.points.cloud import CloudBatch
from ppkt_zoo.points.sampling import ball_neighbours, farthest_points

#: Standard deviation of the last layers' first weights.
_FIRST_WEIGHTS = 0.01


@dataclass(frozen=True)
class VoteNetConfig:
    """The sizes of a VoteNet; the defaults are the paper's.

    Attributes:
        heading_bins: 12 for turned boxes; 1 for upright ones, whose heading is always 0.
        seeds: points of each cloud that vote; PointNet++ has its own number.
        proposals: clusters of votes, each of which may become a box.
        radius: of a cluster, metres.
        neighbours: votes taken from each cluster.
        width: channels of a vote; those of a proposal are half as many.
    """

    heading_bins: int = 1
    seeds: int = 1024
    proposals: int = 256
    radius: float = 0.3
    neighbours: int = 16
    width: int = 256

    def __post_init__(self) -> None:
        counts = (self.heading_bins, self.seeds, self.proposals, self.neighbours, self.width // 2)
        if min(counts) < 1 or not self.radius > 0:
            raise InputError(f"the sizes of a VoteNet are all positive, width at least 2; got {self}")


VoteNetShape = VoteNetConfig
"""The name of :class:`VoteNetConfig` in 0.1."""


@dataclass(frozen=True)
class Proposals:
    """What VoteNet says of a batch; float32, all clouds end to end. S seeds, P proposals, H headings, C classes.

    Attributes:
        seeds: (S, 3), metres.
        votes: (S, 3), where each seed thinks that its object's centre is.
        seed_sizes: seeds of each cloud.
        clusters: (P, 3), the vote in the middle of each cluster.
        sizes: proposals of each cloud.
        objectness: (P, 2), scores of no object and of an object.
        center: (P, 3), metres.
        heading: (P, H), scores of the bins.
        heading_residual: (P, H), of each bin, in half widths of a bin.
        size: (P, C), scores of the classes' mean sizes.
        size_residual: (P, C, 3), of each mean size, in parts of it.
        semantic: (P, C), scores of the classes.
    """

    seeds: Tensor
    votes: Tensor
    seed_sizes: tuple[int, ...]
    clusters: Tensor
    sizes: tuple[int, ...]
    objectness: Tensor
    center: Tensor
    heading: Tensor
    heading_residual: Tensor
    size: Tensor
    size_residual: Tensor
    semantic: Tensor


@runtime_checkable
class _ChoosesSeeds(Protocol):
    """A backbone that works on few points at its finest level."""

    def seeds(self, batch: CloudBatch) -> Seeds: ...


class VoteNet(nn.Module):
    """Seeds vote for the centres of their objects; clusters of votes become boxes.

    Attributes:
        classes: names of what it detects.
        shape: its sizes.
        mean_sizes: buffer float32 (C, 3), each class's mean full size in metres.
        points: how many points of each scene it learned from, where that is known: clouds of that many suit it best.
    """

    mean_sizes: Tensor

    def __init__(self, backbone: Backbone, classes: tuple[str, ...], mean_sizes: Tensor, shape: VoteNetConfig) -> None:
        """Args:
            backbone: gives the seeds their features: its own ``seeds`` where it has that method (PointNet++), otherwise
                the finest level at points that farthest-point sampling chooses.
            classes: names of what to detect.
            mean_sizes: (C, 3), full sizes in metres, see :func:`ppkt_zoo.downstream.detection.targets.mean_sizes`.
            shape: see there.

        Raises:
            InputError: no classes, or not one positive size for each.
        """
        super().__init__()
        if not classes or mean_sizes.shape != (len(classes), 3) or not bool((mean_sizes > 0).all()):
            raise InputError(f"{len(classes)} classes need positive mean sizes ({len(classes)}, 3), and at least one")
        self.backbone, self.classes, self.shape = backbone, tuple(classes), shape
        self.points: int | None = None
        self.register_buffer("mean_sizes", mean_sizes.detach().float().clone())
        width, half, bins, count = shape.width, shape.width // 2, shape.heading_bins, len(classes)
        same = backbone.out_channels == width
        self.entrance = nn.Identity() if same else nn.Linear(backbone.out_channels, width)
        self.voting = SharedMLP(width, (width, width))
        self.vote = nn.Linear(width, 3 + width)
        self.aggregation = SetAbstraction(width, (half, half, half), shape.radius)
        self.proposal = SharedMLP(half, (half, half))
        self._parts = (2, 3, bins, bins, count, 3 * count, count)
        self.box = nn.Linear(half, sum(self._parts))
        # A new head votes for where each seed is, and proposes where the votes are: nearer than a random guess.
        for layer in (self.vote, self.box):
            nn.init.normal_(layer.weight, std=_FIRST_WEIGHTS)
            nn.init.zeros_(layer.bias)

    @property
    def turned(self) -> bool:
        """Whether its boxes have headings."""
        return self.shape.heading_bins > 1

    def forward(self, batch: CloudBatch) -> Proposals:
        """Proposals for each cloud of a batch; a cloud with few points has fewer of them.

        Raises:
            TrainingError: a vote has NaN or infinite numbers.
        """
        seeds = self._seeds(batch)
        feats = self.entrance(seeds.features)
        offset = self.vote(self.voting(feats)).float()
        votes = seeds.xyz + offset[:, :3]
        if not bool(torch.isfinite(votes.detach()).all()):
            raise TrainingError(
                "the detector's votes have NaN or infinite numbers: its weights are damaged, or it diverged in "
                "training; load them anew, or lower the learning rate"
            )
        feats = F.normalize(feats.float() + offset[:, 3:], dim=1)
        rows, sizes, neighbours = self._clusters(votes.detach(), seeds.sizes)
        clusters = votes.index_select(0, rows)
        out = self.box(self.proposal(self.aggregation(clusters, votes, feats, neighbours))).float()
        objectness, shift, heading, heading_residual, size, size_residual, semantic = out.split(self._parts, dim=1)
        return Proposals(
            seeds=seeds.xyz,
            votes=votes,
            seed_sizes=seeds.sizes,
            clusters=clusters,
            sizes=sizes,
            objectness=objectness,
            center=clusters + shift,
            heading=heading,
            heading_residual=heading_residual,
            size=size,
            size_residual=size_residual.reshape(-1, len(self.classes), 3),
            semantic=semantic,
        )

    def _seeds(self, batch: CloudBatch) -> Seeds:
        if isinstance(self.backbone, _ChoosesSeeds):
            return self.backbone.seeds(batch)
        with torch.no_grad():
            chosen = farthest_points(batch.xyz, batch.sizes, self.shape.seeds)
            rows = _end_to_end(chosen, batch.sizes)
        feats = self.backbone(batch).at(list(self.backbone.level_channels)[-1], rows)
        return Seeds(batch.xyz.index_select(0, rows), feats, tuple(len(some) for some in chosen), rows)

    @torch.no_grad()
    def _clusters(self, votes: Tensor, sizes: tuple[int, ...]) -> tuple[Tensor, tuple[int, ...], Tensor]:
        """Rows of the votes in the middle of the clusters, clusters of each cloud, and the votes around each."""
        chosen = farthest_points(votes, sizes, self.shape.proposals)
        rows = _end_to_end(chosen, sizes)
        fewer = tuple(len(some) for some in chosen)
        near = ball_neighbours(
            votes.index_select(0, rows), fewer, votes, sizes, self.shape.radius, self.shape.neighbours
        )
        return rows, fewer, near


def _end_to_end(rows: list[Tensor], sizes: tuple[int, ...]) -> Tensor:
    """Rows within each cloud → rows of all clouds end to end."""
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    return torch.cat([some + start for some, start in zip(rows, starts, strict=True)])

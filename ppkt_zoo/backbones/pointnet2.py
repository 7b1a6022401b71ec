"""PointNet++ as VoteNet's backbone (Qi et al. 2017, arXiv 1706.02413; Qi et al. 2019, arXiv 1904.09664, section 4.1).

Single-scale grouping; four set abstractions, two feature propagations. Clouds are thinned on the weight's grid first.
Farthest-point orders nest, so the centres of a level are the first ones of the level before: one sampling serves all.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from math import inf

import torch
from torch import Tensor, nn

from ppkt_zoo.backbones.base import Backbone, PointFeatures
from ppkt_zoo.backbones.interpolation import interpolate
from ppkt_zoo.backbones.point_layers import FeaturePropagation, SetAbstraction
from ppkt_zoo.backbones.shortcuts import uncompiled
from ppkt_zoo.errors import InputError
from ppkt_zoo.points.cloud import CloudBatch
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.points.sampling import ball_neighbours, farthest_points, nearest
from ppkt_zoo.points.voxelize import DownsampledBatch, voxel_downsample

_WIDTHS = ((64, 64, 128), (128, 128, 256), (128, 128, 256), (128, 128, 256))
_PROPAGATED = (256, 256)
# Memory grows by their product, and a weight's file of a few bytes may ask for any.
_MOST_CENTERS, _MOST_NEIGHBOURS = 65_536, 1024


@dataclass(frozen=True)
class PointLevel:
    """The centres of one level, all clouds end to end.

    Attributes:
        xyz: float32 (K, 3), metres from each cloud's smallest corner.
        sizes: centres of each cloud.
        parent: int64 (K,), the row of each centre in the level before.
        neighbours: int64 (K, n), rows of the level before.
    """

    xyz: Tensor
    sizes: tuple[int, ...]
    parent: Tensor
    neighbours: Tensor


@dataclass(frozen=True)
class Seeds:
    """The points that PointNet++ works on at its finest level; VoteNet's seeds.

    Attributes:
        xyz: float32 (S, 3), metres, in the frame of the input; all clouds end to end.
        features: float (S, C).
        sizes: seeds of each cloud; fewer than asked for where a cloud has fewer voxels.
        rows: int64 (S,), an input point that lies in the seed's voxel.
    """

    xyz: Tensor
    features: Tensor
    sizes: tuple[int, ...]
    rows: Tensor


class SeedFeatures(PointFeatures):
    """As PointFeatures; level ``points`` is interpolated between the three nearest seeds, the others are gathered."""

    def __init__(
        self,
        levels: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]] = (),
        centers: Mapping[str, PointLevel] | None = None,
        thinned: DownsampledBatch | None = None,
    ) -> None:
        """Args:
        levels: features (K, C) of each level's centres, coarse to fine; without ``thinned`` they are those of the
            points already.
        centers: of the same levels.
        thinned: the points that the centres were chosen from.
        """
        gathers = None if centers is None or thinned is None else partial(_nearest_center, centers, thinned)
        super().__init__(levels, gathers)
        self._centers, self._thinned = centers, thinned

    def _gather(self, level: str, rows: Tensor | None) -> Tensor:
        if level != "points":
            return super()._gather(level, rows)
        assert self._centers is not None
        assert self._thinned is not None
        thinned, at = self._thinned, self._centers[level]
        if rows is None:
            targets, counts, inverse = thinned.xyz, thinned.sizes, thinned.inverse
        else:
            wanted, inverse = torch.unique(thinned.inverse[rows], return_inverse=True)
            edges = torch.tensor(thinned.sizes, device=wanted.device).cumsum(0)
            cloud = torch.bucketize(wanted, edges, right=True)
            targets = thinned.xyz[wanted]
            counts = tuple(torch.bincount(cloud, minlength=len(at.sizes)).tolist())
        found, weights = nearest(targets, counts, at.xyz, at.sizes, 3)
        return interpolate(self._levels[level], found, weights, inverse)


def _nearest_center(centers: Mapping[str, PointLevel], thinned: DownsampledBatch, level: str) -> Tensor:
    """The row of the nearest centre at a level for each point, int64 (N,)."""
    at = centers[level]
    rows, _ = nearest(thinned.xyz, thinned.sizes, at.xyz, at.sizes, 1)
    return rows[:, 0][thinned.inverse]


class PointNet2(Backbone):
    """PointNet++ with four set abstractions and two feature propagations.

    Levels, coarse to fine: ``sa4`` (256 centres), ``fp1`` (512), ``fp2`` (1024 seeds): a point has the feature of the
    nearest centre; ``points``: fp2, interpolated between the three nearest seeds. Clouds with fewer voxels than
    centres have fewer centres.
    """

    def __init__(
        self,
        *,
        input_spec: InputSpec,
        centers: tuple[int, ...] = (2048, 1024, 512, 256),
        radii: tuple[float, ...] = (0.2, 0.4, 0.8, 1.2),
        neighbours: tuple[int, ...] = (64, 32, 16, 16),
    ) -> None:
        """Args:
            input_spec: channels, and the voxel that clouds are thinned to.
            centers: of the four set abstractions, falling.
            radii: of their balls, metres.
            neighbours: points taken from each ball.

        Raises:
            InputError: not four positive numbers each, too many of them, or the centres rise.
        """
        if any(len(values) != 4 or not min(values) > 0 for values in (centers, radii, neighbours)):
            raise InputError(
                f"centers, radii and neighbours are four positive numbers each, got {centers}, {radii}, {neighbours}"
            )
        whole = all(type(count) is int for count in (*centers, *neighbours))
        if not whole or max(centers) > _MOST_CENTERS or max(neighbours) > _MOST_NEIGHBOURS or max(radii) == inf:
            raise InputError(
                f"centers are whole numbers up to {_MOST_CENTERS}, neighbours up to {_MOST_NEIGHBOURS}, and radii are "
                f"finite, got {centers}, {neighbours} and {radii}"
            )
        if sorted(centers, reverse=True) != list(centers):
            raise InputError(f"each level chooses among the centres of the one before, so {centers} must fall")
        out = _PROPAGATED[-1]
        super().__init__(input_spec, {"sa4": _WIDTHS[3][-1], "fp1": out, "fp2": out, "points": out})
        self.centers, self.radii, self.neighbours = tuple(centers), tuple(radii), tuple(neighbours)
        inputs = (len(input_spec.channels), *(widths[-1] for widths in _WIDTHS[:3]))
        self.abstraction = nn.ModuleList(
            SetAbstraction(channels, widths, radius)
            for channels, widths, radius in zip(inputs, _WIDTHS, radii, strict=True)
        )
        self.propagation = nn.ModuleList(
            [
                FeaturePropagation(_WIDTHS[3][-1] + _WIDTHS[2][-1], _PROPAGATED),
                FeaturePropagation(out + _WIDTHS[1][-1], _PROPAGATED),
            ]
        )

    @uncompiled
    def forward(self, batch: CloudBatch) -> SeedFeatures:
        """Features of all points of a batch; works on the device of the batch."""
        thinned = voxel_downsample(batch, self.input_spec)
        places = self._places(thinned)
        sa4, fp1, fp2 = self._features(thinned, places)
        seeds = places[1]
        levels = {"sa4": sa4, "fp1": fp1, "fp2": fp2, "points": fp2}
        return SeedFeatures(levels, {"sa4": places[3], "fp1": places[2], "fp2": seeds, "points": seeds}, thinned)

    @uncompiled
    def seeds(self, batch: CloudBatch) -> Seeds:
        """The seeds of a batch with their features, for detectors that vote (VoteNet)."""
        thinned = voxel_downsample(batch, self.input_spec)
        places = self._places(thinned)
        feats = self._features(thinned, places)[-1]
        seeds = places[1]
        numbers = torch.arange(thinned.inverse.shape[0], device=thinned.inverse.device)
        first = numbers.new_full((thinned.xyz.shape[0],), len(numbers))
        first.scatter_reduce_(0, thinned.inverse, numbers, "amin")
        rows = first[places[0].parent[seeds.parent]]
        corners = thinned.corners[batch.cloud[rows]]
        return Seeds((seeds.xyz.double() + corners).float(), feats, seeds.sizes, rows)

    @torch.no_grad()
    def _places(self, thinned: DownsampledBatch) -> list[PointLevel]:
        """Where the centres of the four levels lie, and who is near them."""
        levels: list[PointLevel] = []
        xyz, sizes = thinned.xyz, thinned.sizes
        chosen = farthest_points(xyz, sizes, self.centers[0])
        for wanted, radius, count in zip(self.centers, self.radii, self.neighbours, strict=True):
            starts = [sum(sizes[:number]) for number in range(len(sizes))]
            parent = torch.cat([rows[:wanted] + start for rows, start in zip(chosen, starts, strict=True)])
            fewer = tuple(min(wanted, size) for size in sizes)
            centers = xyz.index_select(0, parent)
            levels.append(
                PointLevel(centers, fewer, parent, ball_neighbours(centers, fewer, xyz, sizes, radius, count))
            )
            xyz, sizes = centers, fewer
            # The centres lie in farthest-point order now, so the next level's are the first of them.
            chosen = [torch.arange(size, device=xyz.device) for size in sizes]
        return levels

    def _features(self, thinned: DownsampledBatch, places: list[PointLevel]) -> tuple[Tensor, Tensor, Tensor]:
        """Features of sa4, fp1 and fp2."""
        xyz, feats = thinned.xyz, thinned.features
        down = []
        for layer, at in zip(self.abstraction, places, strict=True):
            feats = layer(at.xyz, xyz, feats, at.neighbours)
            down.append(feats)
            xyz = at.xyz
        up = [feats]
        for layer, fine, coarse in zip(self.propagation, (2, 1), (3, 2), strict=True):
            target, source = places[fine], places[coarse]
            rows, weights = nearest(target.xyz, target.sizes, source.xyz, source.sizes, 3)
            up.append(layer(up[-1], rows, weights, down[fine]))
        return up[0], up[1], up[2]


def pointnet2(
    *,
    input_spec: InputSpec,
    centers: tuple[int, ...] = (2048, 1024, 512, 256),
    radii: tuple[float, ...] = (0.2, 0.4, 0.8, 1.2),
    neighbours: tuple[int, ...] = (64, 32, 16, 16),
) -> PointNet2:
    """VoteNet's backbone: 1024 seeds of 256 channels, 0.64 M parameters."""
    return PointNet2(input_spec=input_spec, centers=centers, radii=radii, neighbours=neighbours)

"""PointContrast: a point must find the same place in an overlapping view (Xie et al. 2020, arXiv 2007.10985)."""

import torch.nn.functional as F

from ppkt_zoo.backbones.base import PointFeatures
from ppkt_zoo.engine.distributed import all_reduce_sum, rows_of_all, world_size
from ppkt_zoo.transfer.losses import contrast_pairs
from ppkt_zoo.transfer.objective import Objective, Outcome, TransferBatch, contrast_figures, nothing_to_learn
from ppkt_zoo.transfer.projection import PointHead


class PointContrast(Objective):
    """PointInfoNCE on matched points of two views: the 3D-only baseline, and a companion of PPKT.

    Args:
        channels: of the student's features at ``level``.
        level: which of the student's levels is contrasted.
        dim: size of the embedding (32 in the paper's code).
        temperature: τ of the NCE (0.4 in the paper's script, 0.07 in its yaml).
        gather: in training on several processes, negatives come from all of them.
    """

    name = "point_contrast"

    def __init__(self, channels: int, level: str, dim: int, temperature: float, gather: bool = True) -> None:
        super().__init__()
        self.head = PointHead(channels, dim)
        self.level, self.temperature, self.gather = level, temperature, gather

    def forward(self, points: PointFeatures, batch: TransferBatch, detail: bool = False) -> Outcome:
        """Loss of one step; zero where the step's views have fewer than two places in common."""
        first = self.head.raw(points.at(self.level, batch.views.first))
        second = self.head.raw(points.at(self.level, batch.views.second))
        gather = self.gather and self.training and world_size() > 1
        own = first.new_tensor(float(len(first)))
        if float(all_reduce_sum(own) if gather else own) < 2:
            return Outcome(nothing_to_learn(first, second))
        contrast = contrast_pairs(
            F.normalize(first, dim=1), F.normalize(second, dim=1), self.temperature, gather=gather
        )
        if not detail:
            return Outcome(contrast.loss)
        first, second = rows_of_all(first, gather), rows_of_all(second, gather)
        return Outcome(contrast.loss, contrast_figures(first, second, "view_") if len(first) > 1 else {})

"""PPKT's own objective: each point must find the pixel that it was seen in (arXiv 2104.04687, section 3)."""

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from ppkt_zoo.backbones.base import PointFeatures
from ppkt_zoo.engine.distributed import rows_of_all
from ppkt_zoo.transfer.losses import Contrast, contrast_pairs
from ppkt_zoo.transfer.objective import Objective, Outcome, TransferBatch, contrast_figures
from ppkt_zoo.transfer.projection import UPL, PointHead, ProjectionKind, Sampling


def objective_of(source: str | None) -> str:
    """The name of the objective that learns from a further teacher's maps; None for the first."""
    return "ppkt" if source is None else f"ppkt_{source}"


class PixelToPoint(Objective):
    """Contrastive pixel-to-point transfer from a frozen teacher's features to a student's points.

    Args:
        channels: of the student's features at ``level``.
        teacher_channels: of the teacher's feature map.
        level: which of the student's levels meets the pixels.
        dim: size of the common embedding (128 in the paper).
        temperature: τ of the NCE (0.04 in the paper).
        symmetric: pixels must find their points too.
        false_negative_similarity: pairs whose teacher features have a cosine above this are no negatives.
        gather: in training on several processes, negatives come from all of them.
        upl, sampling: kind of the pixels' projection and how it is upsampled, see :class:`UPL`.
        point_head: kind of the points' projection.
        deep: further levels that meet the same pixels (deep supervision): level → (channels, weight). Each has a
            projection of its own; the pixels' is one for all, so every level is held against the same embedding.
        source: the further teacher whose maps are learned from, None for the first; the objective is named after it.
    """

    def __init__(
        self,
        channels: int,
        teacher_channels: int,
        level: str,
        dim: int,
        temperature: float,
        symmetric: bool = False,
        false_negative_similarity: float | None = None,
        gather: bool = True,
        upl: ProjectionKind = "linear",
        sampling: Sampling = "bilinear",
        point_head: ProjectionKind = "linear",
        deep: Mapping[str, tuple[int, float]] | None = None,
        source: str | None = None,
    ) -> None:
        super().__init__()
        self.source = source
        self.name = objective_of(source)
        self.upl = UPL(teacher_channels, dim, upl, sampling)
        self.head = PointHead(channels, dim, point_head)
        deep = deep or {}
        self.deep = nn.ModuleDict({name: PointHead(width, dim, point_head) for name, (width, _) in deep.items()})
        self.deep_weights = {name: weight for name, (_, weight) in deep.items()}
        self.level, self.temperature, self.symmetric = level, temperature, symmetric
        self.false_negative_similarity, self.gather = false_negative_similarity, gather

    def embed(self, points: PointFeatures, batch: TransferBatch) -> tuple[Tensor, Tensor]:
        """Raw embeddings of the pairs: points (N, dim) and pixels (N, dim), float32."""
        batch = batch.seen_by(self.source)
        of_points = self.head.raw(points.at(self.level, batch.pixels.point))
        of_pixels = of_points.new_empty(of_points.shape)
        for one, rows in batch.by_frame():
            raw = self.upl.raw(one[None].float(), rows.new_zeros(len(rows)), batch.pixels.feature_xy[rows])
            of_pixels = of_pixels.index_copy(0, rows, raw.to(of_pixels.dtype))
        return of_points, of_pixels

    def forward(self, points: PointFeatures, batch: TransferBatch, detail: bool = False) -> Outcome:
        """Loss of one step, the weighted sum over levels; InputError where it has fewer than two pairs."""
        of_points, of_pixels = self.embed(points, batch)
        masks = self.false_negative_similarity is not None
        teacher = batch.seen_by(self.source).teacher_at_pairs() if masks else None
        contrast = self._contrast(of_points, of_pixels, teacher)
        figures: dict[str, float] = {}
        prefix = "" if self.source is None else f"{self.source}_"
        if detail:
            share = self.gather and self.training
            figures = contrast_figures(rows_of_all(of_points, share), rows_of_all(of_pixels, share), prefix)
        if detail and teacher is not None:
            figures[f"{prefix}masked"] = float(contrast.masked)
        loss = contrast.loss
        for level, head in self.deep.items():
            assert isinstance(head, PointHead)
            further = self._contrast(head.raw(points.at(level, batch.pixels.point)), of_pixels, teacher).loss
            loss = loss + self.deep_weights[level] * further
            if detail:
                figures[f"{prefix}{level}_loss"] = float(further.detach())
        return Outcome(loss, figures)

    def _contrast(self, of_points: Tensor, of_pixels: Tensor, teacher: Tensor | None) -> Contrast:
        return contrast_pairs(
            F.normalize(of_points, dim=1),
            F.normalize(of_pixels, dim=1),
            self.temperature,
            symmetric=self.symmetric,
            teacher=teacher,
            false_negative_similarity=self.false_negative_similarity,
            gather=self.gather and self.training,
        )

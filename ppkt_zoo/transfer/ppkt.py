"""PPKT's own objective: each point must find the pixel that it was seen in (arXiv 2104.04687, section 3)."""

import torch.nn.functional as F
from torch import Tensor

from ppkt_zoo.backbones.base import PointFeatures
from ppkt_zoo.engine.distributed import rows_of_all
from ppkt_zoo.transfer.losses import contrast_pairs
from ppkt_zoo.transfer.objective import Objective, Outcome, TransferBatch, contrast_figures
from ppkt_zoo.transfer.projection import UPL, PointHead, ProjectionKind, Sampling


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
    """

    name = "ppkt"

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
    ) -> None:
        super().__init__()
        self.upl = UPL(teacher_channels, dim, upl, sampling)
        self.head = PointHead(channels, dim, point_head)
        self.level, self.temperature, self.symmetric = level, temperature, symmetric
        self.false_negative_similarity, self.gather = false_negative_similarity, gather

    def embed(self, points: PointFeatures, batch: TransferBatch) -> tuple[Tensor, Tensor]:
        """Raw embeddings of the pairs: points (N, dim) and pixels (N, dim), float32."""
        of_points = self.head.raw(points.at(self.level, batch.pixels.point))
        of_pixels = of_points.new_empty(of_points.shape)
        for one, rows in batch.by_frame():
            raw = self.upl.raw(one[None].float(), rows.new_zeros(len(rows)), batch.pixels.feature_xy[rows])
            of_pixels = of_pixels.index_copy(0, rows, raw.to(of_pixels.dtype))
        return of_points, of_pixels

    def forward(self, points: PointFeatures, batch: TransferBatch, detail: bool = False) -> Outcome:
        """Loss of one step; InputError where it has fewer than two pairs."""
        of_points, of_pixels = self.embed(points, batch)
        threshold = self.false_negative_similarity
        contrast = contrast_pairs(
            F.normalize(of_points, dim=1),
            F.normalize(of_pixels, dim=1),
            self.temperature,
            symmetric=self.symmetric,
            teacher=None if threshold is None else batch.teacher_at_pairs(),
            false_negative_similarity=threshold,
            gather=self.gather and self.training,
        )
        figures: dict[str, float] = {}
        if detail:
            share = self.gather and self.training
            figures = contrast_figures(rows_of_all(of_points, share), rows_of_all(of_pixels, share))
        if detail and threshold is not None:
            figures["masked"] = float(contrast.masked)
        return Outcome(contrast.loss, figures)

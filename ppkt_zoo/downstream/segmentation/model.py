"""SegmentationModel: a backbone and one linear layer; a class for every point of a whole cloud."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ppkt_zoo.backbones.arguments import checked_reading, named_readout
from ppkt_zoo.backbones.base import Backbone, Tile
from ppkt_zoo.backbones.readout import read_batch
from ppkt_zoo.errors import InputError, WeightError
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.readout_spec import Purpose, ReadOut
from ppkt_zoo.sparse import RowsLinear

# Rows whose scores are computed at once: the probabilities of a large cloud are held, its scores never are.
_CHUNK = 1 << 18


class Prediction(NamedTuple):
    """What a model says of a cloud, in the points' order; tensors for a tensor, else numpy arrays.

    Attributes:
        labels: int64 (N,), index into the model's classes.
        probabilities: float32 (N, K), rows that sum to 1; the mean over the votes.
    """

    labels: Any
    probabilities: Any


class SegmentationModel(nn.Module):
    """A linear head on one level of any backbone, or on what a read-out of it gives.

    Args:
        backbone: pretrained or random; it is trained along.
        classes: a name for each output, at least two, none twice.
        level: of the backbone, or "last".
        ids: what files call each class, whole numbers; 0, 1, … where not given. Labels of :meth:`predict` count
            classes; ``ppkt-zoo segment`` writes ids.
        colors: uint8 (red, green, blue) of classes by name, for pictures; those left out get one that fits.
        readout: what the head reads in place of a level: a read-out, or the purpose that the weight recommends one
            for. Its views are taken in :meth:`predict` alone.

    Raises:
        InputError: the classes, ids or colours do not fit, or there is no such level or read-out.
    """

    def __init__(
        self,
        backbone: Backbone,
        classes: Sequence[str],
        level: str = "last",
        ids: Sequence[int] | None = None,
        colors: Mapping[str, tuple[int, int, int]] | None = None,
        readout: ReadOut | Purpose | None = None,
    ) -> None:
        super().__init__()
        if isinstance(classes, str) or len(classes) < 2 or len(set(classes)) != len(classes):
            raise InputError(f"segmentation needs at least two classes and no name twice, got {list(classes)}")
        if ids is not None and (len(ids) != len(classes) or len(set(ids)) != len(ids) or min(ids) < 0):
            raise InputError(
                f"ids must be one number of 0 or more a class ({len(classes)}), none twice, got {list(ids)}"
            )
        if unknown := sorted(set(colors or ()) - set(classes)):
            raise InputError(f"colors has {unknown[0]!r}, which is no class")
        known = list(backbone.level_channels)
        if level != "last" and level not in known:
            raise InputError(f"level {level!r}: this backbone has {', '.join(known)}, or 'last'")
        self.backbone = backbone
        self.classes = tuple(classes)
        self.ids = tuple(range(len(classes))) if ids is None else tuple(int(one) for one in ids)
        self.colors = dict(colors or {})
        self.level = known[-1] if level == "last" else level
        self.readout = None if readout is None else named_readout(backbone, readout)
        if self.readout is not None and level != "last":
            raise InputError(f"a head reads a level or a read-out, not both: leave out level={level!r} or readout")
        # Checked now rather than at the first cloud.
        levels = self.level if self.readout is None else "last"
        self._read = checked_reading(backbone, levels, readout=self.readout).keys[0]
        wide = backbone.level_channels
        self.head = RowsLinear(wide[self.level] if self.readout is None else self.readout.channels(wide), len(classes))

    def forward(self, batch: CloudBatch, rows: Tensor | None = None) -> Tensor:
        """Class scores (N, K) of all points of a batch, or of the ``rows`` alone; this is what trains."""
        if self.readout is None:
            features = self.backbone(batch).at(self.level, rows)
        else:
            features = read_batch(self.backbone, batch, self.readout, rows)
        scores: Tensor = self.head(features)
        return scores

    def predict(
        self, xyz: Any, rgb: Any = None, *, voting: int = 1, flips: bool = False, tile: Tile = None
    ) -> Prediction:
        """The class of every point of a whole cloud, in eval mode and without gradients.

        Args:
            xyz, rgb: one cloud, as :meth:`ppkt_zoo.backbones.base.Backbone.encode` takes it.
            voting: the cloud is looked at after so many turns about z, evenly spread over a circle, and the
                probabilities are averaged; 1 looks at it as it stands.
            flips: each of these views is looked at mirrored in x too, which doubles their number.
            tile: edge in metres of square columns that are looked at one after another, for huge clouds; or "auto",
                see :meth:`ppkt_zoo.backbones.base.Backbone.encode`.

        Raises:
            InputError: an argument does not fit.
            WeightError: the model gives NaN or infinity.
        """
        if voting < 1:
            raise InputError(f"voting is the number of turns and must be at least 1, got {voting}")
        cloud = PointCloud.from_arrays(xyz, rgb)
        middle = cloud.xyz.mean(dim=0)
        total = torch.zeros((len(cloud), len(self.classes)), dtype=torch.float32, device=cloud.xyz.device)
        views = [(turn, mirror) for turn in range(voting) for mirror in ((False, True) if flips else (False,))]
        for turn, mirror in views:
            seen = cloud.xyz
            if turn or mirror:
                seen = (cloud.xyz - middle) @ _seen_from(2 * np.pi * turn / voting, mirror).to(middle).T
            self._add_probabilities(total, seen, cloud.rgb, tile)
        total /= len(views)
        if not bool(torch.isfinite(total).all()):
            raise WeightError(
                "the segmentation model gives NaN or infinity: take an earlier checkpoint of its training"
            )
        labels = total.argmax(dim=1)
        if isinstance(xyz, Tensor):
            return Prediction(labels, total)
        return Prediction(labels.numpy(), total.numpy())

    @torch.no_grad()
    def _add_probabilities(self, total: Tensor, xyz: Tensor, rgb: Tensor | None, tile: Tile) -> None:
        device = self.head.weight.device

        def take(rows: Tensor | None, features: dict[str, Tensor]) -> None:
            feature = features[self._read]
            rows = torch.arange(len(feature), device=feature.device) if rows is None else rows
            for some, part in zip(rows.split(_CHUNK), feature.split(_CHUNK), strict=True):
                found = self.head(part.float().to(device)).softmax(dim=1)
                total.index_add_(0, some.to(total.device), found.to(total.device))

        level = self.level if self.readout is None else "last"
        self.backbone.encode_parts(xyz, rgb, level, tile, take, readout=self.readout)


def _seen_from(angle: float, mirror: bool) -> Tensor:
    """Turn about z, after mirroring x: float64 (3, 3)."""
    cos, sin, side = np.cos(angle), np.sin(angle), -1.0 if mirror else 1.0
    return torch.tensor([[side * cos, -sin, 0.0], [side * sin, cos, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)

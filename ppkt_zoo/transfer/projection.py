"""The two trained projections of PPKT into one embedding space (arXiv 2104.04687, section 3)."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ppkt_zoo.errors import InputError, WeightError
from ppkt_zoo.sparse import RowsLinear

ProjectionKind = Literal["linear", "mlp"]
Sampling = Literal["bilinear", "nearest"]
Order = Literal["project_first", "sample_first"]


def sample_bilinear(maps: Tensor, batch_index: Tensor, xy: Tensor) -> Tensor:
    """Values of feature maps (B, D, h, w) at N continuous places → (N, D), dtype of the maps.

    ``batch_index`` int64 (N,) chooses the map, ``xy`` float (N, 2) as (x, y) the place; cell (0, 0) has its
    centre at 0.0, 0.0. Outside the centres of the border cells the border's value holds.
    """
    height, width = maps.shape[-2:]
    x, y = xy.float().unbind(1)
    x, y = x.clamp(0, width - 1), y.clamp(0, height - 1)
    left, top = x.floor().long(), y.floor().long()
    right, bottom = (left + 1).clamp(max=width - 1), (top + 1).clamp(max=height - 1)
    fx, fy = x - left, y - top
    corners = torch.stack((top * width + left, top * width + right, bottom * width + left, bottom * width + right), 1)
    shares = torch.stack(((1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx), 1).to(maps.dtype)
    picked = _cells(maps)[corners + (batch_index * (height * width)).unsqueeze(1)]
    return (picked * shares.unsqueeze(2)).sum(1)


def sample_nearest(maps: Tensor, batch_index: Tensor, xy: Tensor) -> Tensor:
    """Values of the cells nearest to N places → (N, D); arguments as for `sample_bilinear`, halves go up."""
    height, width = maps.shape[-2:]
    column, row = (xy.float() + 0.5).floor().long().unbind(1)
    cell = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
    return _cells(maps)[cell + batch_index * (height * width)]


def _cells(maps: Tensor) -> Tensor:
    """(B, D, h, w) → (B * h * w, D)."""
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])


class _Projection(nn.Module):
    """One layer, or two with a ReLU between, from ``channels`` to ``dim`` numbers."""

    def __init__(self, layer: Callable[[int, int], nn.Module], channels: int, dim: int, kind: ProjectionKind) -> None:
        super().__init__()
        self.channels, self.dim = channels, dim
        hidden = [layer(channels, channels), nn.ReLU()] if kind == "mlp" else []
        last = layer(channels, dim)
        self.projection = nn.Sequential(*hidden, last) if hidden else last


class UPL(_Projection):
    """Upsampling feature projection layer: 1x1 convolution, then bilinear upsampling, at sampled pixels only.

    Equal to upsampling the projected map to the image's size and picking pixels, without ever holding a map of
    dim x H x W numbers. The factor is the teacher's stride; which convention places pixels between cells is said
    by whoever makes ``feature_xy`` (`Teacher.pixel_to_feature`; ``plain`` is the paper's to the letter).

    Args:
        channels: of the teacher's features.
        dim: of the embedding (128 in the paper).
        kind: ``linear``, one 1x1 convolution, as the paper has it; or ``mlp``: two, with a ReLU between.
        sampling: ``bilinear`` as the paper has it; or ``nearest``: every pixel has its cell's embedding.
        order: ``project_first`` as the paper has it; or ``sample_first``: the frozen features are upsampled, and
            what is picked is projected. The same for ``linear``, another function for ``mlp``. Projecting first is
            less work where the batch has fewer cells than four times the pairs, as it mostly has.
    """

    def __init__(
        self,
        channels: int,
        dim: int = 128,
        kind: ProjectionKind = "linear",
        sampling: Sampling = "bilinear",
        order: Order = "project_first",
    ) -> None:
        super().__init__(partial(nn.Conv2d, kernel_size=1), channels, dim, kind)
        self.sampling, self.order = sampling, order

    @classmethod
    def from_tensors(
        cls, projection: Mapping[str, Tensor], prefix: str = "upl.", sampling: Sampling = "bilinear"
    ) -> "UPL":
        """The UPL among a weight's projections (:func:`ppkt_zoo.load_projection`), in eval mode.

        Raises:
            WeightError: there is none whose names begin with the prefix.
        """
        channels, dim, kind, state = _read(projection, prefix)
        upl = cls(channels, dim, kind, sampling)
        upl.load_state_dict(state)
        return upl.eval()

    def forward(self, features: Tensor, batch_index: Tensor, feature_xy: Tensor) -> Tensor:
        """Pixel embeddings (N, dim), float32, of length 1; arguments and errors as of `raw`."""
        return F.normalize(self.raw(features, batch_index, feature_xy), dim=1)

    def raw(self, features: Tensor, batch_index: Tensor, feature_xy: Tensor) -> Tensor:
        """Pixel embeddings (N, dim), float32, before they are brought to length 1.

        Args:
            features: the teacher's (B, channels, h, w).
            batch_index: int64 (N,), the image of each pixel.
            feature_xy: float (N, 2) as (x, y) in cells, from `Teacher.pixel_to_feature`.

        Raises:
            InputError: the shapes do not fit together.
        """
        if features.ndim != 4 or features.shape[1] != self.channels:
            raise InputError(f"features must be (B, {self.channels}, h, w), got {tuple(features.shape)}")
        if batch_index.ndim != 1 or feature_xy.shape != (len(batch_index), 2):
            raise InputError(
                f"batch_index must be (N,) and feature_xy (N, 2), "
                f"got {tuple(batch_index.shape)} and {tuple(feature_xy.shape)}"
            )
        sample = sample_bilinear if self.sampling == "bilinear" else sample_nearest
        if self.order == "project_first":
            return sample(self.projection(features).float(), batch_index, feature_xy)
        picked = sample(features, batch_index, feature_xy)
        embeddings: Tensor = self.projection(picked[:, :, None, None]).flatten(1).float()
        return embeddings


class PointHead(_Projection):
    """The student's point features (N, channels) → embeddings of length 1.

    ``linear`` is a single layer, ``mlp`` two with a ReLU between, both without batch norm.
    """

    def __init__(self, channels: int, dim: int = 128, kind: ProjectionKind = "linear") -> None:
        super().__init__(RowsLinear, channels, dim, kind)

    @classmethod
    def from_tensors(cls, projection: Mapping[str, Tensor], prefix: str = "head.") -> "PointHead":
        """The point head among a weight's projections, in eval mode; errors as of :meth:`UPL.from_tensors`."""
        channels, dim, kind, state = _read(projection, prefix)
        head = cls(channels, dim, kind)
        head.load_state_dict(state)
        return head.eval()

    def forward(self, features: Tensor) -> Tensor:
        """Point features (N, channels) → embeddings (N, dim), float32, of length 1."""
        return F.normalize(self.raw(features), dim=1)

    def raw(self, features: Tensor) -> Tensor:
        """Point features (N, channels) → embeddings (N, dim), float32, before they are brought to length 1."""
        if features.ndim != 2 or features.shape[1] != self.channels:
            raise InputError(f"features must be (N, {self.channels}), got {tuple(features.shape)}")
        embeddings: Tensor = self.projection(features).float()
        return embeddings


def _read(projection: Mapping[str, Tensor], prefix: str) -> tuple[int, int, ProjectionKind, dict[str, Tensor]]:
    """Channels, dimensions and kind, which names and shapes tell, and the tensors without the prefix."""
    state = {key.removeprefix(prefix): one for key, one in projection.items() if key.startswith(prefix)}
    layers = sorted(key for key in state if key.endswith("weight"))
    if not layers:
        raise WeightError(f"the weight came without {prefix}projection: it was not taught by pixels")
    kind: ProjectionKind = "linear" if "projection.weight" in state else "mlp"
    return state[layers[0]].shape[1], state[layers[-1]].shape[0], kind, state

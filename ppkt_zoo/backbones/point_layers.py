"""The layers of PointNet++: shared MLP, set abstraction, feature propagation (Qi et al. 2017, sections 3.2 to 3.4)."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ppkt_zoo.backbones.blocks import VoxelBatchNorm
from ppkt_zoo.backbones.point_kernels import LinearNormRelu, LinearNormReluMax
from ppkt_zoo.backbones.shortcuts import foldable, folded, is_hooked, is_inference, is_plain_linear
from ppkt_zoo.engine.distributed import world_size
from ppkt_zoo.sparse import pointwise

# Rows of neighbours that are worked on at a time in inference on the CPU.
_ROWS = 1 << 13


class SharedLayer(nn.Module):
    """Linear, batch norm, ReLU, the same for every row."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, channels, bias=False)
        nn.init.kaiming_normal_(self.linear.weight, nonlinearity="relu")
        self.norm = VoxelBatchNorm(channels)

    def forward(self, x: Tensor, count: int = 1) -> Tensor:
        """Shapes: (K · count, C_in) → (K, C), the greatest of each ``count`` rows that follow each other."""
        if is_plain_linear(self.linear) and foldable(self.norm):
            if is_inference(self.norm):
                gain, shift = folded(self.norm)
                return _greatest(pointwise(x, self.linear.weight * gain[:, None], shift).relu_(), count)
            if self._fuses(x):
                return self._fused(x, count)
        return _greatest(self.norm(self.linear(x)).relu(), count)

    def _fuses(self, x: Tensor) -> bool:
        """Whether the chunked kernels stand for the plain layers: they know one process and the CPU."""
        norm = self.norm
        if not isinstance(norm, VoxelBatchNorm) or not norm.training or norm.weight is None:
            return False
        alone = not norm.sync or world_size() == 1
        return not x.is_cuda and x.shape[0] > 1 and alone

    def _fused(self, x: Tensor, count: int) -> Tensor:
        norm, weight, scale = self.norm, self.linear.weight, self.norm.weight
        if torch.is_autocast_enabled("cpu"):
            x = x.to(torch.get_autocast_dtype("cpu"))
        with torch.autocast("cpu", enabled=False):
            if count > 1:
                sign = torch.where(scale.detach() < 0, -1.0, 1.0).to(scale.dtype)
                out, mean, variance = LinearNormReluMax.apply(
                    x, weight * sign[:, None], scale * sign, norm.bias, norm.eps, count
                )
                mean = mean * sign
            else:
                out, mean, variance = LinearNormRelu.apply(x, weight, scale, norm.bias, norm.eps)
        _track(norm, x.shape[0], mean, variance)
        return cast(Tensor, out)


class SharedMLP(nn.ModuleList):
    """The same small network for every row: as many :class:`SharedLayer` as there are widths."""

    def __init__(self, in_channels: int, widths: Sequence[int]) -> None:
        pairs = zip((in_channels, *widths[:-1]), widths, strict=True)
        super().__init__(SharedLayer(before, after) for before, after in pairs)

    def forward(self, x: Tensor, count: int = 1) -> Tensor:
        """Shapes: (K · count, C_in) → (K, C), the greatest of each ``count`` rows that follow each other."""
        for layer in list(self)[:-1]:
            x = layer(x)
        out: Tensor = self[-1](x, count)
        return out


class SetAbstraction(nn.Module):
    """Each centre's feature: the greatest of its neighbours', after a shared MLP on place and feature."""

    def __init__(self, in_channels: int, widths: Sequence[int], radius: float) -> None:
        super().__init__()
        self.radius = radius
        self.mlp = SharedMLP(3 + in_channels, widths)

    def forward(self, centers: Tensor, xyz: Tensor, feats: Tensor, neighbours: Tensor) -> Tensor:
        """Shapes: centers (K, 3), xyz (M, 3), feats (M, C_in), neighbours int64 (K, n) rows of xyz → (K, C)."""
        if not is_inference(self) or xyz.is_cuda or any(is_hooked(part) for part in self.mlp.modules()):
            return self._abstract(centers, xyz, feats, neighbours)
        step = max(1, _ROWS // neighbours.shape[1])
        parts = zip(centers.split(step), neighbours.split(step), strict=True)
        return torch.cat([self._abstract(some, xyz, feats, near) for some, near in parts])

    def _abstract(self, centers: Tensor, xyz: Tensor, feats: Tensor, neighbours: Tensor) -> Tensor:
        count, rows = neighbours.shape[1], neighbours.reshape(-1)
        place = xyz.index_select(0, rows).view(-1, count, 3) - centers[:, None]
        place = (place / self.radius).view(-1, 3).to(feats.dtype)
        out: Tensor = self.mlp(torch.cat([place, feats.index_select(0, rows)], dim=1), count)
        return out


class FeaturePropagation(nn.Module):
    """Features of a coarser level, interpolated to a finer one and joined with that one's own, then a shared MLP."""

    def __init__(self, in_channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.mlp = SharedMLP(in_channels, widths)

    def forward(self, coarse: Tensor, rows: Tensor, weights: Tensor, skip: Tensor) -> Tensor:
        """Shapes: coarse (K', C'), rows and weights (K, 3) over coarse, skip (K, C_skip) → (K, C)."""
        out: Tensor = self.mlp(torch.cat([interpolate(coarse, rows, weights).to(skip.dtype), skip], dim=1))
        return out


def interpolate(feats: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of features, in float32: feats (M, C), rows and weights (T, k) → (T, C)."""
    total = torch.zeros((rows.shape[0], feats.shape[1]), dtype=torch.float32, device=feats.device)
    for column in range(rows.shape[1]):
        total = total + feats.index_select(0, rows[:, column]).float() * weights[:, column, None]
    return total


def _greatest(rows: Tensor, count: int) -> Tensor:
    return rows if count == 1 else rows.view(-1, count, rows.shape[1]).amax(dim=1)


@torch.no_grad()
def _track(norm: nn.BatchNorm1d, rows: int, mean: Tensor, variance: Tensor) -> None:
    """Bring running statistics up to date, as batch norm does."""
    if norm.running_mean is None or norm.running_var is None or norm.num_batches_tracked is None:
        return
    norm.num_batches_tracked += 1
    share = norm.momentum if norm.momentum is not None else 1 / float(norm.num_batches_tracked)
    norm.running_mean.lerp_(mean, share)
    norm.running_var.lerp_(variance * (rows / (rows - 1)), share)

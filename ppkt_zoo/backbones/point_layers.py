"""The layers of PointNet++: shared MLP, set abstraction, feature propagation (Qi et al. 2017, sections 3.2 to 3.4)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ppkt_zoo.backbones.blocks import VoxelBatchNorm


class SharedMLP(nn.Sequential):
    """The same small network for every row: linear, batch norm, ReLU, as often as there are widths."""

    def __init__(self, in_channels: int, widths: Sequence[int]) -> None:
        layers: list[nn.Module] = []
        for before, after in zip((in_channels, *widths[:-1]), widths, strict=True):
            linear = nn.Linear(before, after, bias=False)
            nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
            layers += [linear, VoxelBatchNorm(after), nn.ReLU(inplace=True)]
        super().__init__(*layers)


class SetAbstraction(nn.Module):
    """Each centre's feature: the greatest of its neighbours', after a shared MLP on place and feature."""

    def __init__(self, in_channels: int, widths: Sequence[int], radius: float) -> None:
        super().__init__()
        self.radius = radius
        self.mlp = SharedMLP(3 + in_channels, widths)

    def forward(self, centers: Tensor, xyz: Tensor, feats: Tensor, neighbours: Tensor) -> Tensor:
        """Shapes: centers (K, 3), xyz (M, 3), feats (M, C_in), neighbours int64 (K, n) rows of xyz → (K, C)."""
        count = neighbours.shape[1]
        rows = neighbours.reshape(-1)
        place = xyz.index_select(0, rows).view(-1, count, 3) - centers[:, None]
        place = (place / self.radius).view(-1, 3).to(feats.dtype)
        out: Tensor = self.mlp(torch.cat([place, feats.index_select(0, rows)], dim=1))
        return out.view(-1, count, out.shape[1]).amax(dim=1)


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

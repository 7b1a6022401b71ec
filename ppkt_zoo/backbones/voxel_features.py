"""VoxelFeatures: what a network on voxels gives; a point has the feature of its voxel, or one between voxels."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from ppkt_zoo.backbones.features import PointFeatures, unknown_level
from ppkt_zoo.backbones.interpolation import interpolate
from ppkt_zoo.errors import InputError
from ppkt_zoo.points.voxelize import Voxels
from ppkt_zoo.sparse import Grid, SparseTensor
from ppkt_zoo.sparse.neighbours import CELLS, MIDDLE, neighbour_rows

# The eight cells about a point: its own, then those with the neighbour along z, y, x, as bits count.
_CORNERS = tuple((corner >> 2 & 1, corner >> 1 & 1, corner & 1) for corner in range(8))
# What a step along x, y, z adds to the number of a cell among the 27.
_STEPS = (9, 3, 1)


class VoxelFeatures(PointFeatures):
    """As PointFeatures; :meth:`between` interpolates between the occupied voxels of a level."""

    def __init__(
        self,
        levels: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]] = (),
        tensors: Mapping[str, SparseTensor] | None = None,
        grid: Grid | None = None,
        voxels: Voxels | None = None,
    ) -> None:
        """Args:
        levels: features of the points; only without ``tensors``.
        tensors: what the network gives on voxels, level name → (M_level, C_level).
        grid: of all of them.
        voxels: of the finest level, with the voxel of each point.
        """
        if tensors is None or grid is None or voxels is None:
            super().__init__(levels)
            return
        self._tables: dict[str, Tensor] = {}
        self._strides = {name: tensor.stride for name, tensor in tensors.items()}
        self._grid, self._voxels = grid, voxels

        def row_of_point(name: str) -> Tensor:
            return grid.ancestor(self._strides[name])[voxels.inverse]

        super().__init__({name: tensor.feats for name, tensor in tensors.items()}, row_of_point)

    def __setitem__(self, level: str, features: Tensor) -> None:
        # A hook puts other features of the points in their place: what the voxels have is theirs no more.
        self._levels.pop(level, None)
        super().__setitem__(level, features)

    def between(self, level: str, place: Tensor, rows: Tensor | None = None) -> Tensor:
        """Features between the centres of a level's occupied voxels, trilinearly: float32 (n, C_level).

        The eight cells about a point are those whose centres stand around it. Empty ones are left out, and the weights
        of the others are divided by their sum; the point's own cell is always one of them.

        Args:
            level: name of the level.
            place: float64 (n, 3), where the points lie in cells of the finest level, from the corner of its grid.
            rows: int64 (n,), which points these are; all where None.

        Raises:
            InputError: no such level, or a forward hook has put other features in its place.
        """
        if level not in self:
            raise InputError(unknown_level(level, list(self)))
        if level not in self._levels:
            raise InputError(
                f"the features of {level} were replaced by a forward hook, and between points nothing is known of "
                "them: take sampling='nearest', or remove the hook"
            )
        if level not in self._tables:
            self._tables[level] = neighbour_rows(self._grid, self._strides[level])
            self._find(level)
        fine = self._voxels.inverse if rows is None else self._voxels.inverse[rows]
        own = self._rows[level] if rows is None else self._rows[level][rows]
        stride = self._strides[level]
        # From the corner of the level's own cell, in its cells. A point on a border may lie a hair outside.
        corner = self._voxels.coords[fine, 1:].div(stride, rounding_mode="floor")
        inside = (place / stride - corner).float().clamp_(0.0, 1.0)
        found, weights = corners_of(self._tables[level], own, inside)
        return interpolate(self._levels[level], found, weights)

    def _find(self, level: str) -> None:
        if level not in self._rows:
            assert self._find_rows is not None
            self._rows[level] = self._find_rows(level)


def corners_of(table: Tensor, own: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """The voxels whose centres stand around each point, and their weights.

    Args:
        table: int32 (M, 27), see :func:`~ppkt_zoo.sparse.neighbours.neighbour_rows`.
        own: int64 (n,), the row of each point's own voxel.
        inside: float32 (n, 3), where a point lies in its voxel, 0 to 1.

    Returns:
        int64 (n, 8) rows and float32 (n, 8) weights that sum to 1; empty cells have the weight 0.
    """
    away = inside - 0.5
    step = torch.where(away < 0, -1, 1) * torch.tensor(_STEPS, device=own.device)
    bits = torch.tensor(_CORNERS, device=own.device)
    # Products of three small numbers: added up they are exact whatever the order.
    cells = step[:, 0:1] * bits[:, 0] + step[:, 1:2] * bits[:, 1] + step[:, 2:3] * bits[:, 2]
    cells += (own * CELLS + MIDDLE)[:, None]
    rows = table.view(-1)[cells]
    away = away.abs_()
    share = torch.stack([1.0 - away, away], dim=2)
    x, y, z = share[:, 0], share[:, 1], share[:, 2]
    weights = (x[:, :, None] * y[:, None, :])[:, :, :, None] * z[:, None, None, :]
    weights = weights.reshape(-1, 8).masked_fill_(rows < 0, 0.0)
    # Column by column: so a row's sum never depends on how many rows there are.
    total = sum(weights.unbind(dim=1)[1:], weights[:, 0])
    weights = weights / total[:, None]
    return torch.where(rows < 0, own[:, None], rows), weights

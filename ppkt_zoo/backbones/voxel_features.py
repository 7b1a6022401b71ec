"""VoxelFeatures: what a network on voxels gives; a point has the feature of its voxel, or one between voxels."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from ppkt_zoo.backbones.features import PointFeatures, unknown_level
from ppkt_zoo.backbones.interpolation import interpolate
from ppkt_zoo.errors import InputError
from ppkt_zoo.points.voxelize import Voxels
from ppkt_zoo.sparse import Grid, SparseTensor
from ppkt_zoo.sparse.neighbours import CELLS, MIDDLE, neighbour_rows

# What leads from a cell to the next one along x, y, z, among the 27.
_STEPS = (9, 3, 1)
#: What is said of trilinear sampling behind such a hook.
REPLACED = (
    "a forward hook has put other features in the place of the network's, and between points nothing is known of them: "
    "take sampling='nearest', or remove the hook"
)


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
        strides = {name: tensor.stride for name, tensor in tensors.items()}
        self._strides, self._grid, self._voxels = strides, grid, voxels

        # It must not know the features themselves: in a circle they would live until the garbage collector comes by.
        def row_of_point(name: str) -> Tensor:
            return grid.ancestor(strides[name])[voxels.inverse]

        super().__init__({name: tensor.feats for name, tensor in tensors.items()}, row_of_point)

    def __setitem__(self, level: str, features: Tensor) -> None:
        # A hook puts other features of the points in their place: what the voxels have is theirs no more.
        self._levels.pop(level, None)
        super().__setitem__(level, features)

    def places(self, scaled: Tensor, rows: Tensor | None = None) -> "Places":
        """Where points lie, for :meth:`between`.

        Args:
            scaled: float64 (n, 3), in cells of the finest level, from the corner of its grid.
            rows: int64 (n,), which points these are; all where None.

        Raises:
            InputError: a forward hook has put other features in the place of the network's.
        """
        if not self._levels:
            raise InputError(REPLACED)
        fine = self._voxels.inverse if rows is None else self._voxels.inverse[rows]
        cells = self._voxels.coords.index_select(0, fine)[:, 1:].T.contiguous()
        # A point on a border may lie a hair outside.
        return Places(rows, cells, (scaled.T - cells).float().contiguous().clamp_(0.0, 1.0))

    def between(self, level: str, places: "Places") -> Tensor:
        """Features between the centres of a level's occupied voxels, trilinearly: float32 (n, C_level).

        The eight cells about a point are those whose centres stand around it. Empty ones are left out, and the weights
        of the others are divided by their sum; the point's own cell is always one of them.

        Raises:
            InputError: no such level, or a forward hook has put other features in its place.
        """
        if level not in self:
            raise InputError(unknown_level(level, list(self)))
        if level not in self._levels:
            raise InputError(REPLACED)
        if level not in self._tables:
            self._tables[level] = neighbour_rows(self._grid, self._strides[level])
        if level not in self._rows:
            assert self._find_rows is not None
            self._rows[level] = self._find_rows(level)
        rows = self._rows[level]
        own = rows if places.rows is None else rows.index_select(0, places.rows)
        stride = self._strides[level]
        inside = (places.cells % stride + places.inside) / stride
        found, weights = corners_of(self._tables[level], own, inside)
        return weighted_rows(self._levels[level], found, weights)


class Places(NamedTuple):
    """Where points lie on the grid of a network's voxels.

    Attributes:
        rows: int64 (n,), which points these are; None for all.
        cells: int32 (3, n), their voxels at the finest level.
        inside: float32 (3, n), where they lie in these, 0 to 1.
    """

    rows: Tensor | None
    cells: Tensor
    inside: Tensor


def corners_of(table: Tensor, own: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """The voxels whose centres stand around each point, and their weights.

    Args:
        table: int32 (M, 27), see :func:`~ppkt_zoo.sparse.neighbours.neighbour_rows`.
        own: int64 (n,), the row of each point's own voxel.
        inside: float32 (3, n), where a point lies in its voxel, 0 to 1.

    Returns:
        int32 (n, 8) rows and float32 (n, 8) weights that sum to 1; empty cells have the weight 0 and any row.
    """
    # Column by column, one for each axis or corner: short rows are slow.
    away = inside - 0.5
    steps = [torch.where(side < 0, -size, size) for side, size in zip(away, _STEPS, strict=True)]
    away = away.abs_()
    near = 1.0 - away
    cells = torch.empty((8, own.shape[0]), dtype=torch.int64, device=own.device)
    weights = torch.empty((8, own.shape[0]), dtype=torch.float32, device=own.device)
    torch.add(own * CELLS, MIDDLE, out=cells[0])
    weights[0] = 1.0
    for axis, count in enumerate((1, 2, 4)):
        # What is there already goes on to the neighbour along this axis, and stays with the rest of its weight.
        torch.add(cells[:count], steps[axis], out=cells[count : 2 * count])
        torch.mul(weights[:count], away[axis], out=weights[count : 2 * count])
        weights[:count] *= near[axis]
    rows = table.view(-1).index_select(0, cells.view(-1)).view(8, -1)
    weights.masked_fill_(rows < 0, 0.0)
    weights /= weights.sum(dim=0)
    return rows.clamp_min_(0).T.contiguous(), weights.T.contiguous()


def weighted_rows(feats: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of rows, in float32: feats (M, C), rows int32 and weights float32 (n, k) → (n, C)."""
    if feats.requires_grad or feats.device.type != "cpu":
        return interpolate(feats, rows.long(), weights)
    # PyTorch's own has AVX2, and is several times as fast where nothing needs gradients.
    return embedding_bag(rows, feats.float(), mode="sum", per_sample_weights=weights)

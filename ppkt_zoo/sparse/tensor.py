"""SparseTensor: features on the occupied voxels of one level of a grid."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ppkt_zoo.errors import InputError
from ppkt_zoo.sparse.grid import Grid


@dataclass(frozen=True)
class SparseTensor:
    """Features of the voxels at one stride.

    Attributes:
        feats: float (M, C), row i belongs to row i of :attr:`coords`.
        grid: the shared pyramid of levels and kernel maps.
        stride: edge of this level's cells in cells of the finest level.
        engine: name of the engine that layers use, see :func:`ppkt_zoo.sparse.get_engine`.
    """

    feats: Tensor
    grid: Grid
    stride: int = 1
    engine: str = "auto"

    @classmethod
    def create(cls, coords: Tensor, feats: Tensor, engine: str = "auto") -> "SparseTensor":
        """A tensor from voxels in any order; its rows are sorted by (cloud, x, y, z).

        Args:
            coords: int32 (M, 4) as (cloud, x, y, z), negative ones too, no row twice.
            feats: float (M, C).
            engine: name of the engine.

        Raises:
            InputError: shapes or dtypes do not fit, or a voxel stands twice.
        """
        if feats.ndim != 2 or feats.shape[0] != coords.shape[0]:
            raise InputError(f"feats must be (M, C) with one row per voxel, got {tuple(feats.shape)}")
        order = torch.arange(coords.shape[0], device=coords.device)
        for axis in (3, 2, 1, 0):
            order = order[torch.argsort(coords[order, axis], stable=True)]
        return cls(feats[order], Grid(coords[order].contiguous()), 1, engine)

    @property
    def coords(self) -> Tensor:
        """int32 (M, 4) as (cloud, x, y, z), in cells of this level (finest cells = times stride)."""
        return self.grid.level(self.stride).coords

    def replace(self, feats: Tensor, stride: int | None = None) -> "SparseTensor":
        """Other features on the same grid, at this or another level."""
        return SparseTensor(feats, self.grid, self.stride if stride is None else stride, self.engine)

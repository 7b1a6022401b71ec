"""Backbones that work on voxels: voxelize, run, give every point the feature of its voxel."""

from abc import abstractmethod

import torch
from torch import Tensor

from ppkt_zoo.backbones.base import Backbone, PointFeatures
from ppkt_zoo.backbones.shortcuts import minding_hooks
from ppkt_zoo.backbones.uncompiled import uncompiled
from ppkt_zoo.errors import InputError
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.voxelize import Voxels, voxelize
from ppkt_zoo.sparse import Grid, SparseTensor

# A column of fewer cells would be all margin.
_FEWEST_CELLS = 8
# Each is a run of the network.
_MOST_COLUMNS = 1 << 16


class VoxelBackbone(Backbone):
    """A backbone whose levels are voxel grids, named ``stride<s>``."""

    tiles = True
    #: Cells around a tile that are encoded with it, a multiple of the coarsest stride.
    tile_margin = 128

    @abstractmethod
    def forward_voxels(self, x: SparseTensor) -> dict[str, SparseTensor]:
        """Features on voxels: float (M, C_in) at stride 1 → level name → tensor of that level."""

    @uncompiled
    def forward(self, batch: CloudBatch | Voxels) -> PointFeatures:
        """Features of all points of a batch; works on the device of the batch.

        Voxels have gone through :func:`ppkt_zoo.points.voxelize.voxelize` already; their ``inverse`` may name some of
        them only. That is how a tile is encoded.
        """
        voxels = batch if isinstance(batch, Voxels) else voxelize(batch, self.input_spec)
        x = SparseTensor(voxels.features, Grid(voxels.coords), 1, self.engine)
        with minding_hooks(self):
            levels = self.forward_voxels(x)

        def row_of_point(name: str) -> Tensor:
            return x.grid.ancestor(levels[name].stride)[voxels.inverse]

        return PointFeatures({name: level.feats for name, level in levels.items()}, row_of_point)

    def _encode(self, cloud: PointCloud, names: list[str], tile: float | None) -> dict[str, Tensor]:
        if tile is None:
            return super()._encode(cloud, names, tile)
        # The grid is that of the whole cloud, so a tile's voxels, coarse ones too, are the whole cloud's.
        voxels = voxelize(CloudBatch.collate([cloud]), self.input_spec)
        place = voxels.coords[:, 1:3]
        edge = self._cells_of(tile, int(place.max()) + 1)
        column = place.div(edge, rounding_mode="floor")
        corners = torch.unique(column, dim=0)
        if len(corners) > _MOST_COLUMNS:
            raise InputError(
                f"tile={tile:g} cuts this cloud into {len(corners)} columns, at most {_MOST_COLUMNS} are worked on: "
                "give larger columns"
            )
        answer = {
            name: cloud.xyz.new_empty((voxels.coords.shape[0], self.level_channels[name]), dtype=torch.float32)
            for name in names
        }
        for corner in corners:
            inside = (column == corner).all(dim=1)
            low = corner * edge - self.tile_margin
            high = (corner + 1) * edge + self.tile_margin
            around = ((place >= low) & (place < high)).all(dim=1)
            wanted = inside[around].nonzero()[:, 0]
            features = self(Voxels(voxels.coords[around], voxels.features[around], wanted))
            for name in names:
                answer[name][inside] = features[name].float()
        return {name: feats[voxels.inverse] for name, feats in answer.items()}

    def _cells_of(self, tile: float, most: int) -> int:
        """Edge of a column in cells, at most as many as the cloud has."""
        voxel = self.input_spec.voxel_size
        if tile < _FEWEST_CELLS * voxel:
            raise InputError(
                f"tile={tile:g} is less than {_FEWEST_CELLS} voxels of {voxel:g} m, and each column is encoded with a "
                f"margin of {self.tile_margin} voxels around it: give some metres, at least {_FEWEST_CELLS * voxel:g}"
            )
        return min(max(1, round(min(tile / voxel, 2.0**31))), most)

"""Backbones that work on voxels: voxelize, run, give every point the feature of its voxel."""

from abc import abstractmethod

import torch
from torch import Tensor

from ppkt_zoo.backbones.base import Backbone, PointFeatures
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.voxelize import voxelize
from ppkt_zoo.sparse import Grid, SparseTensor


class VoxelBackbone(Backbone):
    """A backbone whose levels are voxel grids, named ``stride<s>``."""

    #: Cells around a tile that are encoded with it, a multiple of the coarsest stride.
    tile_margin = 128

    @abstractmethod
    def forward_voxels(self, x: SparseTensor) -> dict[str, SparseTensor]:
        """Features on voxels: float (M, C_in) at stride 1 → level name → tensor of that level."""

    def forward(self, batch: CloudBatch) -> PointFeatures:
        """Features of all points of a batch; works on the device of the batch."""
        voxels = voxelize(batch, self.input_spec)
        x = SparseTensor(voxels.features, Grid(voxels.coords), 1, self.engine)
        levels = self.forward_voxels(x)

        def row_of_point(name: str) -> Tensor:
            return x.grid.ancestor(levels[name].stride)[voxels.inverse]

        return PointFeatures({name: level.feats for name, level in levels.items()}, row_of_point)

    def _encode(self, cloud: PointCloud, names: list[str], tile: float | None) -> dict[str, Tensor]:
        if tile is None:
            return super()._encode(cloud, names, tile)
        # The grid is that of the whole cloud, so a tile's voxels, coarse ones too, are the whole cloud's.
        voxels = voxelize(CloudBatch.collate([cloud]), self.input_spec)
        edge = max(1, round(tile / self.input_spec.voxel_size))
        column = voxels.coords[:, 1:3].div(edge, rounding_mode="floor")
        answer = {
            name: torch.empty((voxels.coords.shape[0], self.level_channels[name]), device=cloud.xyz.device)
            for name in names
        }
        for corner in torch.unique(column, dim=0):
            inside = (column == corner).all(dim=1)
            low = corner * edge - self.tile_margin
            high = (corner + 1) * edge + self.tile_margin
            place = voxels.coords[:, 1:3]
            around = ((place >= low) & (place < high)).all(dim=1)
            x = SparseTensor(voxels.features[around], Grid(voxels.coords[around]), 1, self.engine)
            levels = self.forward_voxels(x)
            wanted = inside[around]
            for name in names:
                rows = x.grid.ancestor(levels[name].stride)[wanted]
                answer[name][inside] = levels[name].feats[rows].float()
        return {name: feats[voxels.inverse] for name, feats in answer.items()}

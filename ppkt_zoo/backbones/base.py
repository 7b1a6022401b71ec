"""Backbone: points in, a feature for every point out, in their order; VoxelBackbone: one that works on voxels."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, Unpack, overload

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from ppkt_zoo.backbones.arguments import Options, Reading, Tile, checked_reading, checked_tile, told_of_memory
from ppkt_zoo.backbones.features import PointFeatures, at_rows
from ppkt_zoo.backbones.norm import evaluating
from ppkt_zoo.backbones.pretrained import PretrainedMethods
from ppkt_zoo.backbones.readout import Readout, read_parts
from ppkt_zoo.backbones.shortcuts import minding_hooks, uncompiled
from ppkt_zoo.backbones.tiles import cut_by_voxels, cut_columns, parts_of
from ppkt_zoo.backbones.voxel_features import VoxelFeatures
from ppkt_zoo.engine.denormals import flushed_denormals
from ppkt_zoo.engine.thread_policy import warn_where_busy
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.limits import memory_named
from ppkt_zoo.points.arrays import warn_of_few_voxels
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.points.readout_spec import Extra, Purpose, ReadOut, Sampling
from ppkt_zoo.points.voxelize import Voxels, voxelize
from ppkt_zoo.sparse import Grid, SparseTensor, get_engine

_Several = Literal["all"] | list[str] | tuple[str, ...]  # of these, encode gives a dict
_Array = NDArray[np.float32]
#: Gets features of some points, level → float (n, C), and their rows, int64 (n,); None means all points in order.
Take = Callable[[Tensor | None, dict[str, Tensor]], None]

# A column of fewer cells would be all margin.
_FEWEST_CELLS = 8
# Points whose features are gathered at a time, so that the answer is all that grows with the cloud.
_ROWS = 1 << 16


class Backbone(PretrainedMethods, nn.Module, ABC):
    """A network that gives every point a feature.

    Attributes:
        input_spec: how this network wants its points.
        level_channels: level name → channels, coarse to fine.
        engine: name of the sparse engine, see :func:`ppkt_zoo.sparse.get_engine`.
        tiles: whether encode takes ``tile``.
        samplings: what encode takes as ``sampling``.
        turns: whether encode takes ``views``.
        readout: statistics for ``levels="concat"`` and the read-outs that the weight recommends, where there are any.
    """

    input_spec: InputSpec
    level_channels: dict[str, int]
    engine: str = "auto"
    tiles: bool = False
    samplings: tuple[Sampling, ...] = ("nearest",)
    turns: bool = False
    readout: Readout | None = None

    def __init__(self, input_spec: InputSpec, level_channels: dict[str, int]) -> None:
        super().__init__()
        self.input_spec = input_spec
        self.level_channels = level_channels

    @property
    def out_channels(self) -> int:
        """Channels of the last (finest) level."""
        return list(self.level_channels.values())[-1]

    def set_engine(self, name: str) -> "Backbone":
        """Choose the sparse engine by name, see :func:`ppkt_zoo.sparse.get_engine`; returns the backbone.

        Raises:
            UnknownNameError: no such engine.
            EngineError: it is not installed.
        """
        get_engine(name)
        self.engine = name
        return self

    @abstractmethod
    def forward(self, batch: CloudBatch) -> PointFeatures:
        """Features of all points of a batch; this is what trains."""

    # A tensor in, a tensor out; several levels in, a dict out. A Tensor is an ArrayLike too, and "all" a str: the order
    # of these says which holds.
    @overload
    def encode(
        self, xyz: Tensor, rgb: Any, levels: _Several, tile: Tile = None, **how: Unpack[Options]
    ) -> dict[str, Tensor]: ...

    @overload
    def encode(  # type: ignore[overload-overlap]
        self, xyz: Tensor, rgb: Any = None, *, levels: _Several, tile: Tile = None, **how: Unpack[Options]
    ) -> dict[str, Tensor]: ...

    @overload
    def encode(
        self, xyz: Tensor, rgb: Any = None, levels: str = "last", tile: Tile = None, **how: Unpack[Options]
    ) -> Tensor: ...

    @overload
    def encode(
        self, xyz: ArrayLike, rgb: Any, levels: _Several, tile: Tile = None, **how: Unpack[Options]
    ) -> dict[str, _Array]: ...

    @overload
    def encode(  # type: ignore[overload-overlap]
        self, xyz: ArrayLike, rgb: Any = None, *, levels: _Several, tile: Tile = None, **how: Unpack[Options]
    ) -> dict[str, _Array]: ...

    @overload
    def encode(
        self, xyz: ArrayLike, rgb: Any = None, levels: str = "last", tile: Tile = None, **how: Unpack[Options]
    ) -> _Array: ...

    def encode(
        self,
        xyz: Any,
        rgb: Any = None,
        levels: str | Sequence[str] = "last",
        tile: Tile = None,
        *,
        sampling: Sampling = "nearest",
        extras: Sequence[Extra] = (),
        views: int = 1,
        readout: Purpose | ReadOut | None = None,
    ) -> Any:
        """Features of one cloud, in eval mode and without gradients, whatever mode the network is in.

        Neither the network's modes nor its batch norms' statistics change, and other threads may encode with it or
        train it at the same time. Forward hooks run. Under ``torch.autocast`` it computes in autocast's dtype.

        Args:
            xyz: numpy array, tensor or anything that turns into an array (N, 3), float32 or float64, metres, z up.
            rgb: uint8 (N, 3), floats in [0, 1], or None.
            levels: "last", a level's name, several names, or "all"; or "concat": all levels side by side in one
                array, each channel less its mean and over its spread, which a weight stores (:attr:`readout`).
            tile: edge in metres of square columns that are encoded one after another, each with a margin
                around it, for clouds too big for memory; or "auto": boxes of some 800 000 voxels, the
                margin among them, and the whole at once where that is small enough, or where a network knows no tiles.
            sampling: "nearest", a point has its voxel's feature; or "trilinear", between a level's occupied voxels.
            extras: appended to each point's features: "color", red, green and blue in [-2, 2], and "height", metres
                above the floor, which is the height that one point in a hundred lies below.
            views: mean of the features over so many turns about z, evenly over a full one; the first is none.
            readout: in place of the four above, what the weight recommends for "many_classes", "few_labels" or
                "similarity", or a :class:`~ppkt_zoo.points.readout_spec.ReadOut`.

        Returns:
            float32 (N, C), row i belongs to point i; a dict level → array where ``levels`` is several names or
            "all". For a tensor, a tensor on the tensor's device; else numpy.

        Raises:
            InputError: an argument does not fit, the network has no such level or read-out, or not enough memory.

        Warns:
            ScaleWarning: see :meth:`PointCloud.from_arrays`; or all points lie in a few voxels of the weight.
            ThreadWarning: torch's threads busily wait for each other on a machine that is busy already.
        """
        how: Options = {"sampling": sampling, "extras": extras, "views": views, "readout": readout}
        reading = checked_reading(self, levels, **how)
        answer: dict[str, Tensor] = {}
        place = xyz.device if isinstance(xyz, Tensor) else torch.device("cpu")

        def take(rows: Tensor | None, features: dict[str, Tensor]) -> None:
            for name, feature in features.items():
                if rows is None:
                    answer[name] = feature.float().to(place)
                    continue
                if name not in answer:
                    answer[name] = torch.empty((len(xyz), feature.shape[1]), dtype=torch.float32, device=place)
                answer[name].index_copy_(0, rows.to(place), feature.float().to(place))

        self._hand_over(xyz, rgb, reading, tile, take)
        like = answer if isinstance(xyz, Tensor) else {name: feature.numpy() for name, feature in answer.items()}
        return like[reading.keys[0]] if reading.single else {name: like[name] for name in reading.keys}

    def encode_parts(
        self, xyz: Any, rgb: Any, levels: str | Sequence[str], tile: Tile, take: Take, **how: Unpack[Options]
    ) -> None:
        """As :meth:`encode`, but features are handed over part by part, so that they are never all in memory.

        Args:
            xyz, rgb, levels, tile, how: see :meth:`encode`, which says what is raised too. With several ``views``
                the sums of all points are held meanwhile.
            take: called with the features of some points and their rows, on the network's device; without ``tile``
                once, for all points. Levels side by side are called "concat".
        """
        self._hand_over(xyz, rgb, checked_reading(self, levels, **how), tile, take)

    def _hand_over(self, xyz: Any, rgb: Any, reading: Reading, tile: Tile, take: Take) -> None:
        tile = checked_tile(tile)
        if tile not in (None, "auto") and not self.tiles:
            raise InputError(f"{type(self).__name__} cannot encode in tiles: leave tile out")
        with memory_named(told_of_memory(xyz, tile, self.tiles), InputError):
            cloud = PointCloud.from_arrays(xyz, rgb)
            warn_of_few_voxels(cloud.xyz, self.input_spec.voxel_size)
            cloud = cloud.to(self._device(cloud))
            if cloud.xyz.device.type == "cpu":
                warn_where_busy()
            with evaluating(self) as network, torch.no_grad(), flushed_denormals():
                if reading.is_plain:
                    network._encode(cloud, reading.names, tile, take)
                else:
                    read_parts(network, cloud, reading, tile, take)

    def _encode(self, cloud: PointCloud, names: Sequence[str], tile: Tile, take: Take) -> None:
        """Hand over features of all points at the named levels."""
        for _, features in self._parts(cloud, None):
            take(None, {name: features[name] for name in names})

    def _parts(self, cloud: PointCloud, tile: Tile) -> Iterator[tuple[Tensor | None, Any]]:
        """What the network gives for the points of each part of a cloud, and their rows; None means all in order."""
        yield None, self(CloudBatch.collate([cloud]))

    def _device(self, cloud: PointCloud) -> torch.device:
        """Where the network computes."""
        tensor = next(self.parameters(), next(self.buffers(), cloud.xyz))
        if not tensor.is_meta:
            return tensor.device
        if any(hasattr(part, "_hf_hook") for part in self.modules()):
            # Accelerate keeps the numbers elsewhere and moves the input to where it puts them.
            return cloud.xyz.device
        raise InputError(
            "the network is on the meta device, where tensors have shapes and no numbers: load the weight outside of "
            "torch.device('meta'), or call to_empty() and load_state_dict()"
        )


class VoxelBackbone(Backbone):
    """A backbone whose levels are voxel grids, named ``stride<s>``."""

    tiles = True
    samplings = ("nearest", "trilinear")
    turns = True
    #: Cells around a tile that are encoded with it, a multiple of the coarsest stride.
    tile_margin = 128
    #: Voxels that are encoded at once, margins among them, where ``tile`` is "auto".
    tile_voxels = 3 << 18

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
        return VoxelFeatures(tensors=levels, grid=x.grid, voxels=voxels)

    def _encode(self, cloud: PointCloud, names: Sequence[str], tile: Tile, take: Take) -> None:
        if tile is None:
            return super()._encode(cloud, names, tile, take)
        for rows, features in self._parts(cloud, tile):
            points = len(cloud) if rows is None else len(rows)
            for start in range(0, points, _ROWS):
                some = torch.arange(start, min(start + _ROWS, points), device=cloud.xyz.device)
                found = {name: at_rows(features, name, some) for name in names}
                take(some if rows is None else rows[start : start + _ROWS], found)
            del features
        return None

    def _parts(self, cloud: PointCloud, tile: Tile) -> Iterator[tuple[Tensor | None, Any]]:
        if tile is None:
            yield from super()._parts(cloud, tile)
            return
        # The grid is that of the whole cloud, so a tile's voxels, coarse ones too, are the whole cloud's.
        points = len(cloud)
        of_one_cloud = torch.zeros(1, dtype=torch.int64, device=cloud.xyz.device).expand(points)
        voxels = voxelize(CloudBatch(cloud.xyz, cloud.rgb, of_one_cloud, (points,)), self.input_spec)
        parts: Iterable[tuple[Tensor | None, Voxels]] = [(None, voxels)]
        if tile != "auto":
            edge = self._cells_of(tile, int(voxels.coords[:, 1:3].max()) + 1)
            parts = parts_of(voxels, cut_columns(voxels.coords, edge, tile), self.tile_margin)
        elif len(voxels.coords) > self.tile_voxels:
            boxes = cut_by_voxels(voxels.coords, self.tile_margin, self.tile_voxels)
            parts = parts_of(voxels, boxes, self.tile_margin)
        del voxels
        for rows, part in parts:
            yield rows, self(part)

    def _cells_of(self, tile: float, most: int) -> int:
        """Edge of a column in cells, at most as many as the cloud has."""
        voxel = self.input_spec.voxel_size
        if tile < _FEWEST_CELLS * voxel:
            raise InputError(
                f"tile={tile:g} is less than {_FEWEST_CELLS} voxels of {voxel:g} m, and each column is encoded with a "
                f"margin of {self.tile_margin} voxels around it: give some metres, at least {_FEWEST_CELLS * voxel:g}"
            )
        return min(max(1, round(min(tile / voxel, 2.0**31))), most)

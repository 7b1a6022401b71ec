"""Backbone: points in, a feature for every point out, in their order; VoxelBackbone: one that works on voxels."""

import math
import numbers
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, overload

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from ppkt_zoo.backbones.features import PointFeatures, unknown_level
from ppkt_zoo.backbones.norm import evaluating
from ppkt_zoo.backbones.shortcuts import minding_hooks, uncompiled
from ppkt_zoo.backbones.tiles import cut_by_voxels, cut_columns, parts_of
from ppkt_zoo.engine.denormals import flushed_denormals
from ppkt_zoo.engine.thread_policy import warn_where_busy
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.limits import memory_named
from ppkt_zoo.files.text import one_line
from ppkt_zoo.points.arrays import warn_of_few_voxels
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.points.voxelize import Voxels, voxelize
from ppkt_zoo.sparse import Grid, SparseTensor, get_engine

# Levels of which encode gives a dict.
_Several = Literal["all"] | list[str] | tuple[str, ...]
_Array = NDArray[np.float32]
#: Edge of a column in metres, "auto", or None.
Tile = float | Literal["auto"] | None
#: Gets features of some points, level → float (n, C), and their rows, int64 (n,); None means all points in order.
Take = Callable[[Tensor | None, dict[str, Tensor]], None]

# A column of fewer cells would be all margin.
_FEWEST_CELLS = 8
# Points whose features are gathered at a time, so that the answer is all that grows with the cloud.
_ROWS = 1 << 16


class Backbone(nn.Module, ABC):
    """A network that gives every point a feature.

    Attributes:
        input_spec: how this network wants its points.
        level_channels: level name → channels, coarse to fine.
        engine: name of the sparse engine, see :func:`ppkt_zoo.sparse.get_engine`.
        tiles: whether encode takes ``tile``.
    """

    input_spec: InputSpec
    level_channels: dict[str, int]
    engine: str = "auto"
    tiles: bool = False

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
    def encode(self, xyz: Tensor, rgb: Any, levels: _Several, tile: Tile = None) -> dict[str, Tensor]: ...

    @overload
    def encode(  # type: ignore[overload-overlap]
        self, xyz: Tensor, rgb: Any = None, *, levels: _Several, tile: Tile = None
    ) -> dict[str, Tensor]: ...

    @overload
    def encode(self, xyz: Tensor, rgb: Any = None, levels: str = "last", tile: Tile = None) -> Tensor: ...

    @overload
    def encode(self, xyz: ArrayLike, rgb: Any, levels: _Several, tile: Tile = None) -> dict[str, _Array]: ...

    @overload
    def encode(  # type: ignore[overload-overlap]
        self, xyz: ArrayLike, rgb: Any = None, *, levels: _Several, tile: Tile = None
    ) -> dict[str, _Array]: ...

    @overload
    def encode(self, xyz: ArrayLike, rgb: Any = None, levels: str = "last", tile: Tile = None) -> _Array: ...

    def encode(self, xyz: Any, rgb: Any = None, levels: str | Sequence[str] = "last", tile: Tile = None) -> Any:
        """Features of one cloud, in eval mode and without gradients, whatever mode the network is in.

        Neither the network's modes nor its batch norms' statistics change, and other threads may encode with it or
        train it at the same time. Forward hooks run. Under ``torch.autocast`` it computes in autocast's dtype.

        Args:
            xyz: numpy array, tensor or anything that turns into an array (N, 3), float32 or float64, metres, z up.
            rgb: uint8 (N, 3), floats in [0, 1], or None.
            levels: "last", a level's name, several names, or "all".
            tile: edge in metres of square columns that are encoded one after another, each with a margin
                around it, for clouds too big for memory; or "auto": boxes of some 800 000 voxels, the
                margin among them, and the whole at once where that is small enough, or where a network knows no tiles.

        Returns:
            float32 (N, C), row i belongs to point i; a dict level → array where ``levels`` is several names or
            "all". For a tensor, a tensor on the tensor's device; else numpy.

        Raises:
            InputError: an argument does not fit, no such level, or not enough memory.

        Warns:
            ScaleWarning: see :meth:`PointCloud.from_arrays`; or all points lie in a few voxels of the weight.
            ThreadWarning: torch's threads busily wait for each other on a machine that is busy already.
        """
        names = self._level_names(levels)
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

        self.encode_parts(xyz, rgb, names, tile, take)
        like = answer if isinstance(xyz, Tensor) else {name: feature.numpy() for name, feature in answer.items()}
        return like[names[0]] if isinstance(levels, str) and levels != "all" else {name: like[name] for name in names}

    def encode_parts(self, xyz: Any, rgb: Any, levels: str | Sequence[str], tile: Tile, take: Take) -> None:
        """As :meth:`encode`, but features are handed over part by part, so that they are never all in memory.

        Args:
            xyz, rgb, levels, tile: see :meth:`encode`, which says what is raised too.
            take: called with the features of some points and their rows, on the network's device; without ``tile``
                once, for all points.
        """
        names = self._level_names(levels)
        tile = _checked_tile(tile)
        with memory_named(self._too_big(xyz, tile), InputError):
            cloud = PointCloud.from_arrays(xyz, rgb)
            warn_of_few_voxels(cloud.xyz, self.input_spec.voxel_size)
            device = self._device(cloud)
            if device.type == "cpu":
                warn_where_busy()
            cloud = cloud.to(device)
            with evaluating(self) as network, torch.no_grad(), flushed_denormals():
                network._encode(cloud, names, tile, take)

    def _encode(self, cloud: PointCloud, names: list[str], tile: Tile, take: Take) -> None:
        """Hand over features of all points at the named levels."""
        if tile is not None and tile != "auto":
            raise InputError(f"{type(self).__name__} cannot encode in tiles: leave tile out")
        features = self(CloudBatch.collate([cloud]))
        take(None, {name: features[name] for name in names})

    def _level_names(self, levels: Any) -> list[str]:
        known = list(self.level_channels)
        if isinstance(levels, str) and levels == "all":
            return known
        asked = [levels] if isinstance(levels, str) else levels
        if isinstance(asked, bytes) or not isinstance(asked, Iterable):
            raise InputError(f"levels is a level's name or a list of names, got {one_line(repr(levels), 80)}: {known}")
        names = [known[-1] if isinstance(level, str) and level == "last" else level for level in asked]
        if not names:
            raise InputError(f"levels is an empty list; known: {', '.join(known)}, 'last', 'all'")
        for name in names:
            if not isinstance(name, str) or name not in known:
                raise InputError(unknown_level(name, known))
        return names

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

    def _too_big(self, xyz: Any, tile: Tile) -> str:
        """What was asked, and what would take less memory, should there be too little."""
        count = len(xyz) if hasattr(xyz, "__len__") and getattr(xyz, "shape", None) != () else 0
        if not self.tiles:
            return f"encoding {count} points (fewer points need less)"
        if tile is None:
            return f"encoding {count} points at once (in columns, such as tile=5 metres, they need less)"
        if tile == "auto":
            return f"encoding {count} points in boxes"
        return f"encoding {count} points in columns of tile={tile:g} m (smaller columns need less)"


def _checked_tile(tile: Any) -> Tile:
    if tile is None or (isinstance(tile, str) and tile == "auto"):
        return tile  # type: ignore[return-value]
    number = not isinstance(tile, bool) and isinstance(tile, numbers.Real)
    try:
        edge = float(tile) if number else math.nan
    except OverflowError:  # a whole number beyond all floats
        tile = edge = math.inf if tile > 0 else -math.inf
    if not edge > 0:
        raise InputError(
            "tile is the edge of a column in metres and must be a positive number, or 'auto', got "
            f"{one_line(repr(tile), 80)}"
        )
    return edge


def _at(features: Any, name: str, rows: Tensor) -> Tensor:
    # A hook may have put a plain dict in their place.
    found: Tensor = features.at(name, rows) if isinstance(features, PointFeatures) else features[name][rows]
    return found


class VoxelBackbone(Backbone):
    """A backbone whose levels are voxel grids, named ``stride<s>``."""

    tiles = True
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

        def row_of_point(name: str) -> Tensor:
            return x.grid.ancestor(levels[name].stride)[voxels.inverse]

        return PointFeatures({name: level.feats for name, level in levels.items()}, row_of_point)

    def _encode(self, cloud: PointCloud, names: list[str], tile: Tile, take: Take) -> None:
        if tile is None:
            return super()._encode(cloud, names, tile, take)
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
            features = self(part)
            for start in range(0, len(part.inverse), _ROWS):
                end = min(start + _ROWS, len(part.inverse))
                some = torch.arange(start, end, device=cloud.xyz.device)
                take(some if rows is None else rows[start:end], {name: _at(features, name, some) for name in names})
            del features
        return None

    def _cells_of(self, tile: float, most: int) -> int:
        """Edge of a column in cells, at most as many as the cloud has."""
        voxel = self.input_spec.voxel_size
        if tile < _FEWEST_CELLS * voxel:
            raise InputError(
                f"tile={tile:g} is less than {_FEWEST_CELLS} voxels of {voxel:g} m, and each column is encoded with a "
                f"margin of {self.tile_margin} voxels around it: give some metres, at least {_FEWEST_CELLS * voxel:g}"
            )
        return min(max(1, round(min(tile / voxel, 2.0**31))), most)

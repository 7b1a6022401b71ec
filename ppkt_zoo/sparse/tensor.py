"""Sparse tensors, and the pyramid of voxel levels under one batch, with every kernel map built once."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ppkt_zoo.errors import InputError
from ppkt_zoo.native import library
from ppkt_zoo.native.maps import coarsen
from ppkt_zoo.sparse.kernel_map import Children, KernelMap, KeySpace, strided_map, submanifold_map


@dataclass(frozen=True)
class Level:
    """The occupied voxels at one stride.

    Attributes:
        coords: int32 (M, 4) as (cloud, x, y, z) in units of this level's cells, sorted.
        keys: int64 (M,), rising.
        space: how coords became keys.
    """

    coords: Tensor
    keys: Tensor
    space: KeySpace


class Grid:
    """Voxel levels by stride (1 is the finest), their kernel maps and their ancestry.

    All tensors of one pass through a network share one grid: a map is built by the first layer that
    asks and serves every other layer of that level, forward and backward.
    """

    def __init__(self, coords: Tensor) -> None:
        """Args: coords: int32 (M, 4) as (cloud, x, y, z), sorted in that order, no row twice, M ≥ 1.

        Raises:
            InputError: shape, dtype, order, duplicates.
        """
        if coords.ndim != 2 or coords.shape[1] != 4 or coords.dtype != torch.int32:
            raise InputError(
                f"coords must be int32 (M, 4) as (cloud, x, y, z), got {coords.dtype} {tuple(coords.shape)}"
            )
        if coords.shape[0] == 0:
            raise InputError("coords is empty: a sparse tensor needs at least one voxel")
        low, high = torch.stack([coords.min(dim=0).values, coords.max(dim=0).values]).tolist()
        space = KeySpace.around(tuple(low), tuple(high))
        keys = space.pack(coords)
        if not bool((keys[1:] > keys[:-1]).all()):
            raise InputError("coords must be sorted by (cloud, x, y, z) without duplicates: use SparseTensor.create")
        self._levels = {1: Level(coords, keys, space)}
        self._parents: dict[tuple[int, int], Tensor] = {}
        self._places: dict[tuple[int, int], Tensor] = {}
        self._maps: dict[tuple[str, int, int, int], KernelMap] = {}

    @property
    def device(self) -> torch.device:
        """Where the grid lives."""
        return self._levels[1].keys.device

    def level(self, stride: int) -> Level:
        """The level at a stride, where it has been built by :meth:`strided`."""
        return self._levels[stride]

    def rows(self, stride: int) -> int:
        """Number of voxels at a stride."""
        return self._levels[stride].keys.shape[0]

    def submanifold(self, stride: int, kernel: int) -> KernelMap:
        """The map of a submanifold convolution with a ``kernel``³ kernel at a level."""

        def build() -> KernelMap:
            level = self._levels[stride]
            return submanifold_map(level.keys, level.space, kernel)

        return self._map(("submanifold", stride, kernel, 1), build)

    def strided(self, stride: int, kernel: int, factor: int) -> KernelMap:
        """The map from a level down to the one at ``stride * factor``, which is built on the way.

        Output voxels are the input's cells rounded down to the coarser grid (as MinkowskiEngine has it).
        """

        def build() -> KernelMap:
            fine, coarse = self._levels[stride], self.coarsen(stride, factor)
            if kernel != factor:
                return strided_map(fine.keys, fine.space, coarse.coords, kernel, factor)
            rows = coarse.keys.shape[0]
            children = Children(self._parents[stride, factor], self._places[stride, factor], kernel**3, rows)
            return KernelMap(children, self.rows(stride), rows, kernel)

        return self._map(("strided", stride, kernel, factor), build)

    def coarsen(self, stride: int, factor: int) -> Level:
        """The level at ``stride * factor``, made of the cells of the level at ``stride``."""
        if (stride, factor) not in self._parents:
            fine = self._levels[stride]
            space = fine.space.coarser(factor)
            # There a place is a number below 256.
            native = library() if fine.coords.device.type == "cpu" and factor**3 <= 256 else None
            if native is None:
                coords, parent, place = _coarsen(fine, space, factor)
            else:
                coords, parent, place = coarsen(native, fine.coords, factor)
            self._parents[stride, factor], self._places[stride, factor] = parent, place
            self._levels.setdefault(stride * factor, Level(coords, space.pack(coords), space))
        return self._levels[stride * factor]

    def ancestor(self, stride: int) -> Tensor:
        """int64 (M,): the row at ``stride`` above every voxel of the finest level."""
        above = torch.arange(self.rows(1), device=self.device)
        reached = 1
        while reached != stride:
            factor = next(f for s, f in self._parents if s == reached and stride % (s * f) == 0)
            above = self._parents[reached, factor][above]
            reached *= factor
        return above

    def _map(self, name: tuple[str, int, int, int], build: Callable[[], KernelMap]) -> KernelMap:
        if name not in self._maps:
            with torch.no_grad():
                self._maps[name] = build()
        return self._maps[name]


def _coarsen(fine: Level, space: KeySpace, factor: int) -> tuple[Tensor, Tensor, Tensor]:
    """As :func:`ppkt_zoo.native.coarsen`, on any device."""
    coords = fine.coords.clone()
    coords[:, 1:] = coords[:, 1:].div(factor, rounding_mode="floor")
    keys, parent = torch.unique(space.pack(coords), sorted=True, return_inverse=True)
    inside = fine.coords[:, 1:] - coords[:, 1:] * factor
    place = (inside[:, 0] * factor + inside[:, 1]) * factor + inside[:, 2]
    return space.unpack(keys), parent, place.byte() if factor**3 <= 256 else place


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

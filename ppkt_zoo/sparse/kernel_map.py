"""Keys, one integer for each voxel, and kernel maps: which input voxel meets which output voxel at which offset.

Sorted keys make neighbours a matter of binary search. Offsets are numbered as the canonical weight
(C_out, kD, kH, kW, C_in) lies in memory, with (kD, kH, kW) = (x, y, z): index ``(ix * k + iy) * k + iz``. An odd kernel
reaches from ``-(k // 2)`` to ``k // 2``, an even one from 0 to ``k - 1``.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ppkt_zoo.errors import EngineError, InputError

#: Cells left free around the voxels, so that a neighbour outside the grid never gets another row's key.
#: It is also the largest reach of a kernel: 9 cells wide at most.
MARGIN = 4


@dataclass(frozen=True)
class KeySpace:
    """How (cloud, x, y, z) becomes a key: mixed radix, z fastest, so key order is coordinate order.

    Attributes:
        low: smallest (cloud, x, y, z), the margin included.
        size: cells along (cloud, x, y, z), the margin included.
    """

    low: tuple[int, int, int, int]
    size: tuple[int, int, int, int]

    @classmethod
    def around(cls, low: tuple[int, ...], high: tuple[int, ...]) -> "KeySpace":
        """A space that holds all coordinates from low to high, both included.

        Raises:
            InputError: so wide that a key would not fit 63 bits.
        """
        lows = (low[0], *(value - MARGIN for value in low[1:]))
        sizes = (high[0] - low[0] + 1, *(b - a + 1 + 2 * MARGIN for a, b in zip(low[1:], high[1:], strict=True)))
        if sizes[0] * sizes[1] * sizes[2] * sizes[3] >= 1 << 62:
            raise InputError(f"a grid of {sizes[1:]} cells for {sizes[0]} clouds has too many cells to number")
        return cls((lows[0], lows[1], lows[2], lows[3]), (sizes[0], sizes[1], sizes[2], sizes[3]))

    def pack(self, coords: Tensor) -> Tensor:
        """Keys, int64 (M,), of integer coordinates (M, 4)."""
        key = coords[:, 0].long() - self.low[0]
        for axis in (1, 2, 3):
            key = key * self.size[axis] + (coords[:, axis].long() - self.low[axis])
        return key

    def unpack(self, keys: Tensor) -> Tensor:
        """Coordinates, int32 (M, 4), of keys (M,)."""
        coords = torch.empty((keys.shape[0], 4), dtype=torch.int32, device=keys.device)
        for axis in (3, 2, 1):
            coords[:, axis] = keys % self.size[axis] + self.low[axis]
            keys = keys.div(self.size[axis], rounding_mode="floor")
        coords[:, 0] = keys + self.low[0]
        return coords

    def step(self, dx: int, dy: int, dz: int) -> int:
        """What a move by (dx, dy, dz) cells adds to a key."""
        return (dx * self.size[2] + dy) * self.size[3] + dz

    def coarser(self, factor: int) -> "KeySpace":
        """The space of the coordinates divided by factor, rounded down."""
        inner_low = [value + MARGIN for value in self.low[1:]]
        inner_high = [a + size - 1 - MARGIN for a, size in zip(self.low[1:], self.size[1:], strict=True)]
        low = (self.low[0], *(value // factor for value in inner_low))
        high = (self.low[0] + self.size[0] - 1, *(value // factor for value in inner_high))
        return KeySpace.around(low, high)


class KernelMap:
    """Where each row finds its partners; it depends on coordinates alone and is shared by all layers.

    Attributes:
        source: what the map is made of; each engine makes of it what it reads.
        inputs, outputs: number of rows on either side.
        edge: edge of the kernel.
        offsets: number of offsets of the kernel, K.
        plans: what an engine derived from this map, under the engine's own keys.
    """

    def __init__(self, source: "Search | Children", inputs: int, outputs: int, edge: int) -> None:
        self.source = source
        self.inputs = inputs
        self.outputs = outputs
        self.edge = edge
        self.offsets = edge**3
        self.plans: dict[Any, Any] = {}

    @property
    def symmetric(self) -> bool:
        """Whether input and output rows are the same (submanifold): the way back is the same map with offset
        ``K - 1 - k``."""
        return isinstance(self.source, Search) and self.source.symmetric

    @cached_property
    def table(self) -> Tensor:
        """int32 (K, M_out): ``table[k, i]`` = input row that output row i meets at offset k, or -1."""
        with torch.no_grad():
            return self.source.table()

    def back_table(self) -> Tensor:
        """int32 (K, M_in): the output row that input row j reaches at offset k, or -1."""
        if self.symmetric:
            return self.table.flip(0)
        return self.source.back_table() if isinstance(self.source, Children) else invert(self.table, self.inputs)


@dataclass(frozen=True)
class Search:
    """A kernel whose partners are found by their keys, column by column along z.

    Attributes:
        keys: int64 (M_in,), of the input voxels, rising.
        origin: int64 (M_out,), the key at which each output voxel's kernel starts, rising.
        steps: what leads from there to the start of each column.
        lines: cells of a column.
        symmetric: the kernel reaches as far in every direction from voxels that are inputs and outputs.
    """

    keys: Tensor
    origin: Tensor
    steps: tuple[int, ...]
    lines: int
    symmetric: bool = False

    def table(self) -> Tensor:
        """The table of a :class:`KernelMap`.

        One binary search serves a whole column of the kernel: keys along z follow each other, so a pointer
        walks on from hit to hit. The later half of a symmetric kernel is the first half mirrored.
        """
        rows, offsets = self.origin.shape[0], len(self.steps) * self.lines
        table = torch.empty((offsets, rows), dtype=torch.int32, device=self.keys.device)
        ends = torch.cat([self.keys, self.keys.new_full((1,), -1)])
        searched = (len(self.steps) + 1) // 2 if self.symmetric else len(self.steps)
        for column, step in enumerate(self.steps[:searched]):
            out = table[column * self.lines : (column + 1) * self.lines]
            _walk_queries(self.keys, ends, self.origin + step, out)
        if self.symmetric:
            identity = torch.arange(rows, dtype=torch.int32, device=self.keys.device)
            for offset in range(offsets // 2):
                mirrored = identity.new_full((rows + 1,), -1)
                found = table[offset]
                mirrored.scatter_(0, torch.where(found >= 0, found, rows).long(), identity)
                table[offsets - 1 - offset] = mirrored[:rows]
        return table


@dataclass(frozen=True)
class Children:
    """Voxels of a level and the coarser voxels that they lie in: a kernel as wide as its stride.

    Attributes:
        parent: int64 (M,), the coarse row of each fine row.
        place: integer (M,), uint8 where that holds it: the offset at which it stands there.
        offsets: number of offsets, K.
        coarse: number of coarse rows.
    """

    parent: Tensor
    place: Tensor
    offsets: int
    coarse: int

    def table(self) -> Tensor:
        """int32 (K, M_coarse): the fine row at each offset, or -1."""
        rows = torch.arange(self.parent.shape[0], dtype=torch.int32, device=self.parent.device)
        table = rows.new_full((self.offsets, self.coarse), -1)
        table[self.place.long(), self.parent] = rows
        return table

    def back_table(self) -> Tensor:
        """int32 (K, M): the coarse row where a fine row stands at that offset, else -1."""
        rows = torch.arange(self.parent.shape[0], device=self.parent.device)
        table = torch.full((self.offsets, rows.shape[0]), -1, dtype=torch.int32, device=rows.device)
        table[self.place.long(), rows] = self.parent.int()
        return table


def invert(table: Tensor, inputs: int) -> Tensor:
    """Turn output → input into input → output; every offset pairs a row with at most one other."""
    outputs = torch.arange(table.shape[1], dtype=torch.int32, device=table.device).expand_as(table)
    back = table.new_full((table.shape[0], inputs + 1), -1)
    back.scatter_(1, torch.where(table >= 0, table, inputs).long(), outputs)
    return back[:, :inputs].contiguous()


def submanifold_map(keys: Tensor, space: KeySpace, kernel: int) -> KernelMap:
    """Neighbours of every voxel inside an odd kernel.

    Args:
        keys: int64 (M,), sorted.
        space: the space of the keys.
        kernel: edge of the kernel, odd, at most ``2 * MARGIN + 1``.
    """
    reach = _reach(kernel)
    if kernel % 2 == 0:
        raise EngineError(f"a submanifold convolution needs an odd kernel, got {kernel}")
    search = Search(keys, keys, _columns(space, kernel, -reach), kernel, symmetric=True)
    return KernelMap(search, keys.shape[0], keys.shape[0], kernel)


def strided_map(fine_keys: Tensor, fine: KeySpace, coarse_coords: Tensor, kernel: int, factor: int) -> KernelMap:
    """Fine voxels around every coarse voxel: fine = factor * coarse + offset."""
    start = -_reach(kernel) if kernel % 2 else 0
    if max(factor - 1 - start, start + kernel - 1) > MARGIN:
        raise EngineError(f"a kernel of {kernel} with stride {factor} reaches further than {MARGIN} cells")
    corner = coarse_coords.clone()
    corner[:, 1:] *= factor
    # A corner may lie one coarse cell outside the fine grid: pack() is linear, and MARGIN covers the reach.
    search = Search(fine_keys, fine.pack(corner), _columns(fine, kernel, start), kernel)
    return KernelMap(search, fine_keys.shape[0], coarse_coords.shape[0], kernel)


def _columns(space: KeySpace, kernel: int, start: int) -> tuple[int, ...]:
    return tuple(space.step(dx + start, dy + start, start) for dx in range(kernel) for dy in range(kernel))


def _walk_queries(keys: Tensor, ends: Tensor, queries: Tensor, out: Tensor) -> None:
    """Rows with keys queries, queries + 1, ...: one search, then a pointer that moves on at each hit."""
    position = torch.searchsorted(keys, queries)
    for line in range(out.shape[0]):
        hit = ends.index_select(0, position) == queries + line
        out[line] = torch.where(hit, position, -1)
        position += hit


def _reach(kernel: int) -> int:
    if not 1 <= kernel <= 2 * MARGIN + 1:
        raise EngineError(f"kernels from 1 to {2 * MARGIN + 1} are supported, got {kernel}")
    return kernel // 2

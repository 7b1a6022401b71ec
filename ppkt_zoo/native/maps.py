"""Kernel maps as lists of pairs, built by the native library, and the coarser level under a level."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ppkt_zoo.errors import EngineError
from ppkt_zoo.native.library import Library, threads

_TILE = 256


@dataclass(frozen=True)
class Pairs:
    """Which rows meet at which offset, tile by tile of 256 output rows.

    Attributes:
        start: int64 (tiles * K + 1,), where the pairs of a tile and an offset begin.
        partner: int32 (P,), input rows.
        local: uint8 (P,), output rows within their tile, rising.
        offsets: K.
        inputs, rows: input and output rows.
    """

    start: Tensor
    partner: Tensor
    local: Tensor
    offsets: int
    inputs: int
    rows: int

    def pointers(self) -> tuple[int, int, int]:
        """Where the three lists are."""
        return self.start.data_ptr(), self.partner.data_ptr(), self.local.data_ptr()


def search_pairs(library: Library, keys: Tensor, origin: Tensor, steps: Sequence[int], lines: int) -> Pairs:
    """Pairs of a kernel that is made of columns along z.

    Args:
        library: the native library.
        keys: int64 (M_in,), rising.
        origin: int64 (M_out,), rising: the key at which each output row's kernel starts.
        steps: what leads from there to the start of each column.
        lines: cells of a column.

    Raises:
        EngineError: dtypes or shapes, or keys or origins that do not rise.
    """
    _check("keys", keys, torch.int64, 1)
    _check("origin", origin, torch.int64, 1)
    if not bool((keys[1:] > keys[:-1]).all()) or not bool((origin[1:] >= origin[:-1]).all()):
        raise EngineError("the voxels of a kernel map are not sorted")
    keys, origin = keys.contiguous(), origin.contiguous()
    columns = (ctypes.c_int64 * len(steps))(*steps)
    size = (len(steps) * lines, keys.shape[0], origin.shape[0])
    return _build(library, "map_search", size, keys.data_ptr(), keys.shape[0], origin.data_ptr(), origin.shape[0],
                  columns, len(steps), lines)  # fmt: skip


def table_pairs(library: Library, table: Tensor, inputs: int) -> Pairs:
    """Pairs of a table, int32 (K, M_out), of input rows, -1 where there is none.

    Raises:
        EngineError: dtype or shape, or a row that is not there.
    """
    _check("table", table, torch.int32, 2)
    table = table.contiguous()
    offsets, rows = table.shape
    return _build(library, "map_table", (offsets, inputs, rows), table.data_ptr(), offsets, rows, inputs)


def child_pairs(library: Library, parent: Tensor, place: Tensor, offsets: int, coarse: int, back: bool) -> Pairs:
    """Pairs between the voxels of a level and those of the coarser one that they lie in.

    Args:
        library: the native library.
        parent: int64 (M,), the coarse row of each fine row.
        place: uint8 (M,), the offset at which it stands there; no place of a coarse voxel is taken twice.
        offsets: K.
        coarse: number of coarse rows.
        back: from coarse rows to fine ones, else from fine ones to coarse ones.

    Raises:
        EngineError: dtypes or shapes, or a row or place that is not there.
    """
    _check("parent", parent, torch.int64, 1)
    _check("place", place, torch.uint8, 1)
    if parent.shape != place.shape:
        raise EngineError(f"there are {parent.shape[0]} parents and {place.shape[0]} places")
    parent, place = parent.contiguous(), place.contiguous()
    fine = parent.shape[0]
    size = (offsets, coarse, fine) if back else (offsets, fine, coarse)
    name = "map_parents" if back else "map_children"
    return _build(library, name, size, parent.data_ptr(), place.data_ptr(), offsets, fine, coarse)


def coarsen(library: Library, coords: Tensor, factor: int) -> tuple[Tensor, Tensor, Tensor]:
    """The coarser level under sorted voxels.

    Args:
        library: the native library.
        coords: int32 (M, 4) as (cloud, x, y, z), sorted.
        factor: how much coarser.

    Returns:
        The coarse voxels, int32 (M', 4), sorted; each fine voxel's coarse row, int64 (M,); and its place there,
        uint8 (M,), ``(x * factor + y) * factor + z``.

    Raises:
        EngineError: dtype or shape, or a factor whose places are no numbers below 256.
    """
    if not 1 <= factor <= 6:
        raise EngineError(f"levels are 1 to 6 times as coarse, not {factor}: places are numbers below 256")
    _check("coords", coords, torch.int32, 2)
    if coords.shape[1] != 4:
        raise EngineError(f"coords must be (M, 4) as (cloud, x, y, z), got {tuple(coords.shape)}")
    coords = coords.contiguous()
    rows = coords.shape[0]
    coarse = torch.empty((rows, 4), dtype=torch.int32, device="cpu")
    parent = torch.empty(rows, dtype=torch.int64, device="cpu")
    place = torch.empty(rows, dtype=torch.uint8, device="cpu")
    made = ctypes.c_int64()
    library.call("coarsen", coords.data_ptr(), rows, factor, coarse.data_ptr(), parent.data_ptr(), place.data_ptr(),
                 ctypes.byref(made))  # fmt: skip
    return coarse[: made.value].clone(), parent, place


def _check(name: str, tensor: Tensor, dtype: torch.dtype, dimensions: int) -> None:
    if tensor.dtype != dtype or tensor.ndim != dimensions or tensor.device.type != "cpu":
        raise EngineError(
            f"{name} must be {dtype} of {dimensions} dimensions on the CPU, got {tensor.dtype} {tuple(tensor.shape)} "
            f"on {tensor.device}"
        )


def _build(library: Library, name: str, size: tuple[int, int, int], *arguments: object) -> Pairs:
    offsets, inputs, rows = size
    if rows == 0:
        empty = torch.zeros(1, dtype=torch.int64, device="cpu")
        return Pairs(empty, empty[:0].int(), empty[:0].byte(), offsets, inputs, rows)
    made, count = ctypes.c_void_p(), ctypes.c_int64()
    library.call(name, *arguments, threads(), ctypes.byref(made), ctypes.byref(count))
    start = torch.empty(-(-rows // _TILE) * offsets + 1, dtype=torch.int64, device="cpu")
    partner = torch.empty(count.value, dtype=torch.int32, device="cpu")
    local = torch.empty(count.value, dtype=torch.uint8, device="cpu")
    library.take_map(made, start.data_ptr(), partner.data_ptr(), local.data_ptr())
    return Pairs(start, partner, local, offsets, inputs, rows)

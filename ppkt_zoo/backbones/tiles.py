"""Clouds too big for memory: boxes of voxels that are encoded one after another, each with a margin around it."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from ppkt_zoo.errors import InputError
from ppkt_zoo.points.voxelize import Voxels

# Boxes are made of blocks of so many cells, a multiple of the coarsest stride of any bundled network.
_BLOCK = 16
# A box is not cut below so many blocks along an edge: it would be nearly all margin.
_FEWEST_BLOCKS = 4
# Each is a run of the network.
_MOST_BOXES = 1 << 16


class Box(NamedTuple):
    """Cells (x, y, z) from ``low`` up to, not including, ``high``."""

    low: tuple[int, int, int]
    high: tuple[int, int, int]

    def grown(self, margin: int) -> "Box":
        """With so many more cells on all sides."""
        return Box(
            (self.low[0] - margin, self.low[1] - margin, self.low[2] - margin),
            (self.high[0] + margin, self.high[1] + margin, self.high[2] + margin),
        )


def cut_columns(coords: Tensor, edge: int, tile: float) -> list[Box]:
    """Square columns that hold all voxels.

    Args:
        coords: int32 (M, 4) as (cloud, x, y, z), none negative.
        edge: of a column, in cells.
        tile: what the caller asked for, for the message.

    Raises:
        InputError: more columns than are worked on.
    """
    found = torch.unique(coords[:, 1:3].div(edge, rounding_mode="floor"), dim=0)
    if len(found) > _MOST_BOXES:
        raise InputError(
            f"tile={tile:g} cuts this cloud into {len(found)} columns, at most {_MOST_BOXES} are worked on: "
            "give larger columns"
        )
    top = int(coords[:, 3].max()) + 1
    return [Box((x * edge, y * edge, 0), ((x + 1) * edge, (y + 1) * edge, top)) for x, y in found.tolist()]


def cut_by_voxels(coords: Tensor, margin: int, most: int) -> list[Box]:
    """Boxes that hold all voxels, each with at most so many in it and its margin, as long as it can be cut further.

    A box is cut in the middle of the side that leaves the fewest voxels in both halves and their margins.

    Args:
        coords: int32 (M, 4) as (cloud, x, y, z), sorted, none negative.
        margin: in cells.
        most: voxels of a box and its margin.
    """
    place, count = _count_blocks(coords)
    reach = -(-margin // _BLOCK)

    def within(low: list[int], high: list[int]) -> Tensor:
        return ((place >= place.new_tensor(low)) & (place < place.new_tensor(high))).all(dim=1)

    def around(low: list[int], high: list[int]) -> int:
        return int(count[within([one - reach for one in low], [one + reach for one in high])].sum())

    done: list[Box] = []
    waiting = [(place.amin(dim=0).tolist(), (place.amax(dim=0) + 1).tolist())]
    while waiting:
        low, high = waiting.pop()
        inside = place[within(low, high)]
        if not len(inside):
            continue
        low, high = inside.amin(dim=0).tolist(), (inside.amax(dim=0) + 1).tolist()
        halves = []
        for axis in range(3) if around(low, high) > most else ():
            middle = (low[axis] + high[axis]) // 2
            if middle - low[axis] >= _FEWEST_BLOCKS:
                left = low, [*high[:axis], middle, *high[axis + 1 :]]
                right = [*low[:axis], middle, *low[axis + 1 :]], high
                halves.append((around(*left) + around(*right), axis, left, right))
        if halves and len(done) + len(waiting) < _MOST_BOXES:
            _, _, left, right = min(halves)
            waiting += [right, left]
        else:
            (x, y, z), (u, v, w) = low, high
            done.append(Box((x * _BLOCK, y * _BLOCK, z * _BLOCK), (u * _BLOCK, v * _BLOCK, w * _BLOCK)))
    return done


def _count_blocks(coords: Tensor) -> tuple[Tensor, Tensor]:
    """Blocks that hold voxels, int64 (B, 3) in blocks, and how many each holds, int64 (B,); on the CPU."""
    sizes = [int(length) // _BLOCK + 1 for length in coords[:, 1:].amax(dim=0)]
    key = coords[:, 1].div(_BLOCK, rounding_mode="floor").long()
    for axis in (2, 3):
        key = key.mul_(sizes[axis - 1]).add_(coords[:, axis].div(_BLOCK, rounding_mode="floor"))
    # Voxels of one block stand in rows along z: most of them are joined before anything is sorted.
    runs, lengths = torch.unique_consecutive(key, return_counts=True)
    del key
    blocks, of_run = torch.unique(runs, return_inverse=True)
    count = torch.zeros(len(blocks), dtype=torch.int64, device=coords.device).index_add_(0, of_run, lengths)
    columns = blocks.div(sizes[2], rounding_mode="floor")
    place = torch.stack([columns.div(sizes[1], rounding_mode="floor"), columns % sizes[1], blocks % sizes[2]], dim=1)
    return place.cpu(), count.cpu()


def parts_of(voxels: Voxels, boxes: list[Box], margin: int) -> Iterator[tuple[Tensor, Voxels]]:
    """What is encoded together: for each box the points in it, int64 (n,), and the voxels of it and its margin.

    The ``inverse`` of these voxels names those of the box's points, in the same order. Each point is in one box.

    Args:
        voxels: of one cloud.
        boxes: they hold all voxels, and none twice.
        margin: in cells.
    """
    x = voxels.coords[:, 1].contiguous()
    box_of_voxel = torch.empty(len(x), dtype=torch.int32, device=x.device)
    for number, box in enumerate(boxes):
        box_of_voxel[_rows_within(voxels.coords, x, box)] = number
    box_of_point = box_of_voxel[voxels.inverse]
    ends = torch.bincount(box_of_point, minlength=len(boxes)).cumsum(0).tolist()
    # Fewer than 2^31 points fit: half the memory.
    points = torch.argsort(box_of_point, stable=True).int()
    voxel_of_point = voxels.inverse[points].int()
    coords, features = voxels.coords, voxels.features
    del box_of_voxel, box_of_point, voxels
    local = torch.empty_like(x)
    for box, start, end in zip(boxes, [0, *ends], ends, strict=False):
        rows = _rows_within(coords, x, box.grown(margin))
        local[rows] = torch.arange(len(rows), dtype=local.dtype, device=local.device)
        here = local[voxel_of_point[start:end]].long()
        yield points[start:end].long(), Voxels(coords[rows], features[rows], here)


def _rows_within(coords: Tensor, x: Tensor, box: Box) -> Tensor:
    """Rows of the voxels in a box, rising; ``x`` is the column of coords by which they are sorted."""
    ends = torch.searchsorted(x, x.new_tensor([box.low[0], box.high[0]]))
    first, last = ends.tolist()
    inside = torch.ones(last - first, dtype=torch.bool, device=x.device)
    for axis in (1, 2):
        values = coords[first:last, axis + 1]
        inside &= values >= box.low[axis]
        inside &= values < box.high[axis]
    return inside.nonzero()[:, 0] + first

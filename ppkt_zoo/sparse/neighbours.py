"""The 26 neighbours of every voxel of a level, row by row: what interpolation between voxels looks up."""

import torch
from torch import Tensor

from ppkt_zoo.native.maps import Pairs
from ppkt_zoo.sparse.tensor import Grid

#: Cells of the 3×3×3 about a voxel, numbered as kernel offsets are; the voxel itself is the one in the middle.
CELLS, MIDDLE = 27, 13


def neighbour_rows(grid: Grid, stride: int) -> Tensor:
    """Rows of the voxels about each voxel of a level, int32 (M, 27), -1 where a cell is empty.

    It is made of the kernel map that the level's 3×3×3 convolutions have used already, whichever engine built it.
    """
    kernel_map = grid.submanifold(stride, 3)
    pairs = kernel_map.plans.get(("native", False))
    if not isinstance(pairs, Pairs):
        return kernel_map.table.T.contiguous()
    table = torch.full((pairs.rows, CELLS), -1, dtype=torch.int32, device="cpu")
    count = pairs.start.diff()
    tile_and_cell = torch.repeat_interleave(torch.arange(len(count)), count)
    row = tile_and_cell.div(CELLS, rounding_mode="floor").mul_(256).add_(pairs.local)
    table.view(-1)[row.mul_(CELLS).add_(tile_and_cell.remainder_(CELLS))] = pairs.partner
    return table

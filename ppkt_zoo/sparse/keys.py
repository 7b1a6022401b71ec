"""One integer for each voxel: sorted keys make neighbours a matter of binary search."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ppkt_zoo.errors import InputError

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

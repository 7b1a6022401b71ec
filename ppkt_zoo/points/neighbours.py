"""Who is near whom: points in a ball, and the nearest points with their weights."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

# Entries of a table of distances that is held at once.
_TABLE = 1 << 19
_TABLE_CUDA = 1 << 25
# Keeps the weight of a point in the very same place finite (metres squared).
_SAME_PLACE = 1e-8


def ball_neighbours(
    centers: Tensor, center_sizes: Sequence[int], xyz: Tensor, sizes: Sequence[int], radius: float, count: int
) -> Tensor:
    """The first ``count`` points within ``radius`` of each centre (PointNet++, section 3.2).

    Args:
        centers: float32 (K, 3), all clouds end to end; each is one of its cloud's points.
        center_sizes: centres of each cloud.
        xyz: float32 (M, 3), all clouds' points end to end; earlier rows are preferred.
        sizes: points of each cloud.
        radius: metres, the border excluded.
        count: neighbours wanted.

    Returns:
        int64 (K, count), rows of ``xyz``; where fewer are near, the first one fills up.
    """
    table = torch.empty((centers.shape[0], count), dtype=torch.int64, device=xyz.device)
    begin = start = 0
    for number, size in zip(center_sizes, sizes, strict=True):
        if number == 0:
            start += size
            continue
        mine, points = centers[begin : begin + number], xyz[start : start + size]
        for rows, candidates in _groups(mine, points, radius):
            near = _squared_distances(mine[rows], points[candidates]) < radius * radius
            rank = near.cumsum(dim=1)
            row, column = (near & (rank <= count)).nonzero(as_tuple=True)
            first = near.to(torch.uint8).argmax(dim=1, keepdim=True)
            found = candidates[first].repeat(1, count)
            found[row, rank[row, column] - 1] = candidates[column]
            table[begin + rows] = found + start
        begin, start = begin + number, start + size
    return table


def nearest(
    targets: Tensor, target_sizes: Sequence[int], xyz: Tensor, sizes: Sequence[int], count: int
) -> tuple[Tensor, Tensor]:
    """The nearest points of each target and their weights by inverse squared distance (PointNet++, equation 2).

    Args:
        targets: float32 (T, 3), all clouds end to end.
        target_sizes: targets of each cloud.
        xyz: float32 (M, 3), all clouds' points end to end.
        sizes: points of each cloud, at least one where it has targets.
        count: neighbours; where a cloud has fewer points, its nearest one fills up with weight zero.

    Returns:
        rows int64 (T, count), nearest first, and weights float32 (T, count), each row's sum 1.
    """
    rows = torch.empty((targets.shape[0], count), dtype=torch.int64, device=xyz.device)
    weights = torch.zeros((targets.shape[0], count), dtype=torch.float32, device=xyz.device)
    begin = start = 0
    for number, size in zip(target_sizes, sizes, strict=True):
        points = xyz[start : start + size]
        step = max(1, (_TABLE_CUDA if xyz.is_cuda else _TABLE) // max(1, size))
        for first in range(begin, begin + number, step):
            part = slice(first, min(first + step, begin + number))
            squared = _squared_distances(targets[part], points)
            for column in range(count):
                if column >= size:
                    rows[part, column] = rows[part, 0]
                    continue
                # Not topk: where two are equally near, argmin takes the first, on every device.
                best = squared.argmin(dim=1, keepdim=True)
                rows[part, column] = best[:, 0] + start
                weights[part, column] = 1.0 / (squared.gather(1, best)[:, 0] + _SAME_PLACE)
                squared.scatter_(1, best, torch.inf)
        begin, start = begin + number, start + size
    return rows, weights / weights.sum(dim=1, keepdim=True)


def _groups(centers: Tensor, xyz: Tensor, radius: float) -> Iterator[tuple[Tensor, Tensor]]:
    """Groups of centres that lie together, each with the points that can be near them, in their order."""
    everyone = torch.arange(xyz.shape[0], device=xyz.device)
    rows = torch.arange(centers.shape[0], device=xyz.device)
    if xyz.is_cuda:
        # There a full table of distances is faster than choosing who could be near.
        for part in rows.split(max(1, _TABLE_CUDA // xyz.shape[0])):
            yield part, everyone
        return
    cell = (centers / (2 * radius)).floor().long()
    cell -= cell.amin(dim=0)
    lengths = cell.amax(dim=0) + 1
    key = (cell[:, 0] * lengths[1] + cell[:, 1]) * lengths[2] + cell[:, 2]
    order = torch.argsort(key, stable=True)
    _, counts = torch.unique_consecutive(key[order], return_counts=True)
    for part in order.split(counts.tolist()):
        group = centers[part]
        reach = radius * 1.001  # a little more, for the rounding
        low, high = group.amin(dim=0) - reach, group.amax(dim=0) + reach
        could = ((xyz >= low) & (xyz <= high)).all(dim=1).nonzero()[:, 0]
        for few in part.split(max(1, _TABLE // max(1, could.shape[0]))):
            yield few, could


def _squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """(A, 3), (B, 3) → (A, B); one rounding for each operation, so that every device agrees."""
    total = (a[:, 0, None] - b[None, :, 0]).square_()
    for axis in (1, 2):
        total += (a[:, axis, None] - b[None, :, axis]).square_()
    return total

"""Farthest-point sampling (Eldar et al. 1997), exact and the same on CPU and CUDA; points in a ball; nearest points.

On the CPU the native library chooses, where there is one; PyTorch's operations choose the same points everywhere else.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ppkt_zoo.native import Library, library
from ppkt_zoo.native import points as native

Floats = NDArray[np.float32]
# Entries of a table of distances that is held at once.
_TABLE = 1 << 19
_TABLE_CUDA = 1 << 25
# Keeps the weight of a point in the very same place finite (metres squared).
_SAME_PLACE = 1e-8


def farthest_points(xyz: Tensor, sizes: Sequence[int], count: int) -> list[Tensor]:
    """Rows of each cloud in farthest-point order; the first k of an order are the sampling of k points.

    The first point is the one farthest from the middle of the cloud's bounding box; each further one is the farthest
    from all before it. Where two are equally far, the one that comes first along the cloud's longest axis, then in
    the given order, is taken. Every product and sum is rounded by itself, so CPU and CUDA agree to the bit.

    Args:
        xyz: float32 (M, 3), all clouds end to end.
        sizes: rows of each cloud, also none.
        count: points wanted; a cloud with fewer gives all it has.

    Returns:
        For each cloud int64 (min(count, size),), rows within the cloud, none twice.
    """
    engine = _native(xyz)
    chosen = None if engine is None else native.farthest_points(engine, xyz, sizes, count)
    return chosen if chosen is not None else _farthest_points(xyz, sizes, count)


def _farthest_points(xyz: Tensor, sizes: Sequence[int], count: int) -> list[Tensor]:
    if not all(sizes):
        # Empty clouds are left out, and have no row to give.
        found = iter(_farthest_points(xyz, [size for size in sizes if size], count) if any(sizes) else [])
        nothing = torch.empty(0, dtype=torch.int64, device=xyz.device)
        return [next(found) if size else nothing for size in sizes]
    clouds = [cloud.detach() for cloud in xyz.split(list(sizes))]
    orders, middles = [], []
    for cloud in clouds:
        low, high = cloud.amin(dim=0), cloud.amax(dim=0)
        axis = (high - low).argmax()
        orders.append(torch.argsort(cloud.index_select(1, axis[None])[:, 0], stable=True))
        middles.append((low + high) / 2)
    counts = [min(count, size) for size in sizes]
    if xyz.is_cuda:
        chosen = _on_gpu([cloud[order] for cloud, order in zip(clouds, orders, strict=True)], middles, counts)
    else:
        chosen = [
            torch.from_numpy(_on_cpu(cloud[order].numpy(), middle.numpy(), number))
            for cloud, order, middle, number in zip(clouds, orders, middles, counts, strict=True)
        ]
    return [order[rows] for order, rows in zip(orders, chosen, strict=True)]


def _on_cpu(xyz: Floats, middle: Floats, count: int) -> NDArray[np.int64]:
    """One cloud, sorted along its longest axis: a new point can only be nearer to points in a slab around it."""
    axis = int((xyz.max(axis=0) - xyz.min(axis=0)).argmax())
    x, y, z = (np.ascontiguousarray(xyz[:, one]) for one in range(3))
    along = xyz[:, axis].tolist()
    chosen = np.empty(count, np.int64)
    # The buffers are made once: at this size an allocation costs as much as the arithmetic.
    near, square = np.empty_like(x), np.empty_like(x)
    far = _squared(x, y, z, middle, near, square).copy()
    current = int(far.argmax())
    far.fill(np.inf)
    for number in range(count):
        if number > 0:
            current = int(far.argmax())
        chosen[number] = current
        # A little more than the distance, for the rounding of the square root.
        reach = float(far[current]) ** 0.5 * 1.001
        low, high = bisect_left(along, along[current] - reach), bisect_right(along, along[current] + reach)
        part = slice(low, high)
        center = (x[current], y[current], z[current])
        found = _squared(x[part], y[part], z[part], center, near[part], square[part])
        np.minimum(far[part], found, out=far[part])
        far[current] = -1.0  # never again, even where two points lie in the same place
    return chosen


def _squared(
    x: Floats, y: Floats, z: Floats, center: Sequence[np.float32] | Floats, out: Floats, square: Floats
) -> Floats:
    """Squared distances to a point, into ``out``."""
    np.subtract(x, center[0], out=out)
    np.multiply(out, out, out=out)
    for values, middle in ((y, center[1]), (z, center[2])):
        np.subtract(values, middle, out=square)
        np.multiply(square, square, out=square)
        np.add(out, square, out=out)
    return out


def _on_gpu(clouds: list[Tensor], middles: list[Tensor], counts: list[int]) -> list[Tensor]:
    """All clouds at once, padded, without ever waiting for the device."""
    xyz = torch.nn.utils.rnn.pad_sequence(clouds, batch_first=True)
    sizes = torch.tensor([len(cloud) for cloud in clouds], device=xyz.device)
    beyond = torch.arange(xyz.shape[1], device=xyz.device) >= sizes[:, None]
    axes = xyz.permute(2, 0, 1).contiguous()
    chosen = torch.empty((max(counts), len(clouds), 1), dtype=torch.int64, device=xyz.device)
    current = _squared_axes(axes, torch.stack(middles).t()).masked_fill_(beyond, -1.0).argmax(dim=1, keepdim=True)
    far = torch.full_like(axes[0], torch.inf).masked_fill_(beyond, -1.0)
    for number in range(len(chosen)):
        if number > 0:
            torch.argmax(far, dim=1, keepdim=True, out=current)
        chosen[number] = current
        center = axes.gather(2, current.expand(3, -1, -1))[:, :, 0]
        torch.minimum(far, _squared_axes(axes, center), out=far)
        far.scatter_(1, current, -1.0)
    return [chosen[:count, number, 0] for number, count in enumerate(counts)]


def _squared_axes(axes: Tensor, center: Tensor) -> Tensor:
    """(3, B, M) and (3, B) → squared distances (B, M); one rounding for each operation, as on the CPU."""
    square = (axes - center[:, :, None]).square_()
    return square[0] + square[1] + square[2]


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
    engine = _native(centers, xyz)
    found = None if engine is None else native.ball_neighbours(engine, centers, center_sizes, xyz, sizes, radius, count)
    return found if found is not None else _ball_neighbours(centers, center_sizes, xyz, sizes, radius, count)


def _ball_neighbours(
    centers: Tensor, center_sizes: Sequence[int], xyz: Tensor, sizes: Sequence[int], radius: float, count: int
) -> Tensor:
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
    differentiable = torch.is_grad_enabled() and (targets.requires_grad or xyz.requires_grad)
    engine = None if differentiable else _native(targets, xyz)
    found = None if engine is None else native.nearest(engine, targets, target_sizes, xyz, sizes, count)
    if found is None:
        return _nearest(targets, target_sizes, xyz, sizes, count)
    rows, squared = found
    # A neighbour that fills up is infinitely far, so its weight is zero.
    weights = squared.add_(_SAME_PLACE).reciprocal_()
    return rows, weights / weights.sum(dim=1, keepdim=True)


def _native(*places: Tensor) -> Library | None:
    """The native library, for places that it can read."""
    fits = all(one.device.type == "cpu" and one.dtype == torch.float32 for one in places)
    return library() if fits else None


def _nearest(
    targets: Tensor, target_sizes: Sequence[int], xyz: Tensor, sizes: Sequence[int], count: int
) -> tuple[Tensor, Tensor]:
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

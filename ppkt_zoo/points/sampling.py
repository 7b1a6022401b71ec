"""Farthest-point sampling (Eldar et al. 1997), exact, and the same on CPU and CUDA."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float32]


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
    if not all(sizes):
        # Empty clouds are left out, and have no row to give.
        found = iter(farthest_points(xyz, [size for size in sizes if size], count) if any(sizes) else [])
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

"""PointNet++'s choice of points on tensors by the native library, and the sums between chosen points.

What is chosen is, row for row, what PyTorch's operations choose. All tensors are on the CPU; what is handed to C is
checked here. A function gives None where it leaves the work to PyTorch: coordinates that are not finite or beyond
1e18 m, a ball without points, a count that it does not know.
"""

import ctypes
from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor

from ppkt_zoo.errors import EngineError
from ppkt_zoo.native.library import Library, threads


def farthest_points(library: Library, xyz: Tensor, sizes: Sequence[int], count: int) -> list[Tensor] | None:
    """As :func:`ppkt_zoo.points.sampling.farthest_points`."""
    if count < 1:
        return None
    xyz, starts = _cloud(xyz), _starts(xyz, sizes)
    counts = [min(count, size) for size in sizes]
    rows = torch.empty(sum(counts), dtype=torch.int64, device="cpu")
    done = _run(library, "farthest", xyz.data_ptr(), starts, len(sizes), count, rows.data_ptr())
    return list(rows.split(counts)) if done else None


def ball_neighbours(
    library: Library,
    centers: Tensor,
    center_sizes: Sequence[int],
    xyz: Tensor,
    sizes: Sequence[int],
    radius: float,
    count: int,
) -> Tensor | None:
    """As :func:`ppkt_zoo.points.sampling.ball_neighbours`."""
    if count < 1:
        return None
    centers, xyz = _cloud(centers), _cloud(xyz)
    center_starts, starts = _starts(centers, center_sizes), _starts(xyz, sizes)
    _check_clouds(center_sizes, sizes)
    table = torch.empty((centers.shape[0], count), dtype=torch.int64, device="cpu")
    # ctypes rounds to float32, as PyTorch does for a comparison.
    done = _run(library, "ball", centers.data_ptr(), center_starts, xyz.data_ptr(), starts, len(sizes),
                radius * radius, count, table.data_ptr())  # fmt: skip
    return table if done else None


def nearest(
    library: Library,
    targets: Tensor,
    target_sizes: Sequence[int],
    xyz: Tensor,
    sizes: Sequence[int],
    count: int,
) -> tuple[Tensor, Tensor] | None:
    """The nearest points of each target.

    Returns:
        rows int64 (T, count), nearest first, then in the order of the rows, and squared distances float32 (T, count);
        where a cloud has fewer points, its nearest one fills up at an infinite distance.
    """
    targets, xyz = _cloud(targets), _cloud(xyz)
    target_starts, starts = _starts(targets, target_sizes), _starts(xyz, sizes)
    _check_clouds(target_sizes, sizes)
    rows = torch.empty((targets.shape[0], count), dtype=torch.int64, device="cpu")
    squared = torch.empty((targets.shape[0], count), dtype=torch.float32, device="cpu")
    done = _run(library, "nearest", targets.data_ptr(), target_starts, xyz.data_ptr(), starts, len(sizes), count,
                rows.data_ptr(), squared.data_ptr())  # fmt: skip
    return (rows, squared) if done else None


def interpolate(library: Library, feats: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of rows.

    Args:
        library: the native library.
        feats: float (M, C).
        rows: int64 (T, k), rows of feats.
        weights: float32 (T, k).

    Returns:
        float32 (T, C).

    Raises:
        EngineError: shapes that do not fit, or a row that is not there.
    """
    return _sum(library, "interpolate", feats, rows, weights, feats.shape[0], rows.shape[0])


def interpolate_back(library: Library, grad: Tensor, rows: Tensor, weights: Tensor, sources: int) -> Tensor:
    """The gradient of :func:`interpolate`, grad (T, C) → float32 (``sources``, C), equal on any number of threads."""
    if grad.shape[0] != rows.shape[0]:
        raise EngineError(f"gradients of {grad.shape[0]} rows do not fit {rows.shape[0]} targets")
    return _sum(library, "interpolate_back", grad, rows, weights, sources, sources)


def _sum(
    library: Library, name: str, given: Tensor, rows: Tensor, weights: Tensor, sources: int, results: int
) -> Tensor:
    if rows.shape != weights.shape or rows.ndim != 2 or given.ndim != 2 or rows.dtype != torch.int64:
        raise EngineError(
            f"rows {tuple(rows.shape)} of {rows.dtype} and weights {tuple(weights.shape)} do not fit each other"
        )
    given, rows, weights = given.detach().float().contiguous(), rows.contiguous(), weights.detach().float().contiguous()
    channels = given.shape[1]
    out = torch.empty((results, channels), dtype=torch.float32, device="cpu")
    library.call(
        name,
        given.data_ptr(),
        sources,
        channels,
        rows.data_ptr(),
        weights.data_ptr(),
        *rows.shape,
        out.data_ptr(),
        threads(),
    )
    return out


def _cloud(xyz: Tensor) -> Tensor:
    if xyz.ndim != 2 or xyz.shape[1] != 3 or xyz.dtype != torch.float32 or xyz.device.type != "cpu":
        raise EngineError(f"places are float32 (M, 3) on the CPU, not {tuple(xyz.shape)} of {xyz.dtype}")
    return xyz.detach().contiguous()


def _starts(xyz: Tensor, sizes: Sequence[int]) -> "ctypes.Array[ctypes.c_int64]":
    """Where each cloud begins, and where the last one ends."""
    starts = [0, *accumulate(sizes)]
    if min(sizes, default=0) < 0 or starts[-1] != xyz.shape[0]:
        raise EngineError(f"clouds of {list(sizes)} points do not make up {xyz.shape[0]} points")
    return (ctypes.c_int64 * len(starts))(*starts)


def _check_clouds(first: Sequence[int], second: Sequence[int]) -> None:
    if len(first) != len(second):
        raise EngineError(f"{len(first)} clouds do not fit {len(second)} clouds")


def _run(library: Library, name: str, *arguments: object) -> bool:
    declined = ctypes.c_int()
    library.call(name, *arguments, threads(), ctypes.byref(declined))
    return not declined.value

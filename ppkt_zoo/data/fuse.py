"""Many posed frames into one cloud: the mean of all that fell into each voxel."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.frames import FrameSource, RGBDFrame
from ppkt_zoo.data.readers.images import SAY_SCALE
from ppkt_zoo.data.statistics import check_enough
from ppkt_zoo.errors import FrameError, InputError

Rows = NDArray[np.int64]

# Positions are summed as whole micrometres: integer sums come out the same in whatever order.
_MICRO = 1e-6
# 21 bits an axis in one 64-bit key.
_HALF = 1 << 20


class _Arrays(NamedTuple):
    xyz: NDArray[np.float32]
    rgb: NDArray[np.uint8]
    label: NDArray[np.int16] | None


class FusedCloud(_Arrays):
    """One cloud out of many frames; unpacks into xyz, rgb, label.

    Attributes:
        xyz: float32 (N, 3), metres, z up; the mean position in each voxel, sorted by voxel.
        rgb: uint8 (N, 3), the mean colour.
        label: int16 (N,), what most pixels of the voxel say (−1 where none says anything; a tie goes to the
            smaller label), or None where no frame has labels.
        skipped: what is wrong with each frame that was left out.
    """

    skipped: tuple[str, ...] = ()


def fuse(
    source: FrameSource,
    indices: Iterable[int] | None = None,
    voxel: float = 0.02,
    stride: int = 1,
    far: float = np.inf,
) -> FusedCloud:
    """Fuse frames with poses; the order of the frames does not matter.

    A frame that is damaged or lost is left out, and ``skipped`` of the result says why.

    Args:
        indices: which of them, by default all.
        voxel: edge in metres.
        stride: take every stride-th pixel of each row and column.
        far: leave out depth beyond so many metres.

    Raises:
        FrameError: there are no frames, or more than half of them are damaged, lost, or without a pose.
        InputError: ``voxel`` is not positive, or too small for the width of the scene.
    """
    if not voxel > 0:
        raise InputError(f"voxel must be a positive edge in metres, got {voxel}")
    cells: list[Rows] = []
    votes: list[Rows] = []
    skipped: list[str] = []
    looked_at = 0
    for index in range(len(source)) if indices is None else indices:
        looked_at += 1
        try:
            frame = source[index]
            _check_pose(frame)
        except FrameError as error:
            skipped.append(str(error))
        else:
            _merge_frame(frame, voxel, stride, far, cells, votes)
    check_enough(skipped, looked_at, source.name)
    if not cells:
        units = f"; if it is stored in other units, {SAY_SCALE}" if looked_at else ""
        raise FrameError(f"{source.name}: nothing to fuse: no frames, or no depth nearer than far={far}{units}")
    keys, sums = _sum_rows(np.concatenate(cells))
    count = sums[:, :1]
    xyz = sums[:, 1:4] / count * _MICRO
    rgb = np.rint(sums[:, 4:7] / count)
    label = _majority(np.concatenate(votes), keys) if votes else None
    fused = FusedCloud(xyz.astype(np.float32), rgb.astype(np.uint8), label)
    fused.skipped = tuple(skipped)
    return fused


def poses_join(source: FrameSource) -> bool:
    """Whether the frames of a source lie in one world, so that they can be fused.

    A reader gives frames without stored poses one of their own each, with the camera in its origin: that joins nothing.
    The first and the last frame tell; one that is damaged or lost is passed over.

    Raises:
        FrameError: no frame can be read; the message is that of the first.
    """
    ends = [_first_pose(source, order) for order in (range(len(source)), range(len(source) - 1, -1, -1))]
    return all(pose is not None for pose in ends) and any(pose is not None and pose[:3, 3].any() for pose in ends)


def _first_pose(source: FrameSource, indices: Iterable[int]) -> NDArray[np.float64] | None:
    """The pose of the first of these frames that can be read."""
    first_error: FrameError | None = None
    for index in indices:
        try:
            return source[index].pose
        except FrameError as error:
            first_error = first_error or error
    raise first_error or FrameError(f"{source.name}: no frames")


def _check_pose(frame: RGBDFrame) -> None:
    if frame.pose is None:
        raise FrameError(f"frame {frame.name}: it has no pose, so it cannot be fused with others")


def _merge_frame(frame: RGBDFrame, voxel: float, stride: int, far: float, cells: list[Rows], votes: list[Rows]) -> None:
    xyz, rgb, pixel = frame.points(stride)
    row, column = pixel[:, 1], pixel[:, 0]
    near = frame.depth[row, column] <= far
    xyz, rgb, row, column = xyz[near], rgb[near], row[near], column[near]
    if len(xyz) == 0:
        return
    keys = _keys(xyz, voxel, frame.name)
    micro = np.rint(xyz / _MICRO).astype(np.int64)
    table = np.column_stack([keys, np.ones_like(keys), micro, rgb])
    cells.append(np.column_stack(_sum_rows(table)))
    if frame.label is not None:
        label = frame.label[row, column]
        known = label >= 0
        votes.append(_count_votes(keys[known], label[known], np.ones(int(known.sum()), dtype=np.int64)))


def _keys(xyz: NDArray[np.float32], voxel: float, name: str) -> Rows:
    with np.errstate(over="ignore"):
        places = np.floor(xyz.astype(np.float64) / voxel) + _HALF
    if not (places.min() >= 0 and places.max() < 2 * _HALF):
        raise InputError(
            f"frame {name}: points lie over {_HALF} voxels of {voxel} m from the origin: use a larger voxel"
        )
    cell = places.astype(np.int64)
    return (cell[:, 0] << 42) | (cell[:, 1] << 21) | cell[:, 2]


def _sum_rows(table: Rows) -> tuple[Rows, Rows]:
    """Rows (key, values…) → distinct keys, rising, and the sum of each key's values."""
    table = table[np.argsort(table[:, 0], kind="stable")]
    first = _run_starts(table[:, 0])
    return table[first, 0], np.add.reduceat(table[:, 1:], first, axis=0)


def _count_votes(keys: Rows, label: Rows, number: Rows) -> Rows:
    """Votes (key, label, number) with the numbers of equal (key, label) added up, sorted."""
    order = np.lexsort((label, keys))
    keys, label, number = keys[order], label[order], number[order]
    first = _run_starts(keys, label)
    total = np.add.reduceat(number, first) if len(first) else number
    return np.column_stack([keys[first], label[first], total])


def _majority(votes: Rows, keys: Rows) -> NDArray[np.int16]:
    voted, choice, number = _count_votes(*votes.T).T
    # Most votes first for each voxel, and among equals the smallest label first.
    order = np.lexsort((choice, -number, voted))
    winner = order[_run_starts(voted[order])]
    label = np.full(len(keys), -1, dtype=np.int16)
    label[np.searchsorted(keys, voted[winner])] = choice[winner]
    return label


def _run_starts(*columns: Rows) -> Rows:
    """Where, in sorted columns, a row differs from the one before it."""
    new = np.zeros(len(columns[0]), dtype=bool)
    new[:1] = True
    for column in columns:
        new[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(new)

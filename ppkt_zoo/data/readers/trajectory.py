"""Trajectories in the Redwood / Open3D format, and which of their poses belongs to which image.

Five lines a pose: three numbers, the first of them the frame's id, and the 4×4 matrix. Where tracking failed a pose
is left out, and images may be thinned afterwards: the ids tell what belongs together, never the order.
"""

import re
import warnings
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ppkt_zoo.data.readers.camera_forms import Matrix
from ppkt_zoo.data.readers.number_text import numbers_of, read_text, words_of
from ppkt_zoo.errors import FrameError, InputWarning

_NUMBER = re.compile(r"\d+", re.ASCII)
_LINES = 5
# Fewer of the ids that could have an image than this part have one: they count something else.
_LEAST_MATCHED = 0.5


class LoggedPose(NamedTuple):
    """One pose of a trajectory: the frame's id, and camera → world (4, 4)."""

    id: int
    pose: Matrix


def read_pose_log(path: Path) -> list[LoggedPose]:
    """The poses of a trajectory with their frames' ids; NaN is let through.

    Raises:
        FrameError: the file is missing, cut short, or a line does not hold what it should.
    """
    lines = [line for line in read_text(path, "trajectory").splitlines() if line.strip() and line.lstrip()[0] != "#"]
    found = []
    for start in range(0, len(lines), _LINES):
        block = lines[start : start + _LINES]
        where = f"{path}: pose {start // _LINES} of this trajectory"
        if len(block) < _LINES:
            raise FrameError(f"{where} has {len(block)} of its {_LINES} lines: the file is cut short")
        words = words_of(block[0])
        if len(words) != 3:
            raise FrameError(f"{where} should begin with a line of 3 frame indices, got {block[0][:80]!r}")
        rows = [numbers_of(words_of(line), where) for line in block[1:]]
        if any(len(row) != 4 for row in rows):
            raise FrameError(f"{where} should hold 4 rows of 4 numbers: the file is cut short or damaged")
        found.append(LoggedPose(_id(words[0], where), np.stack(rows)))
    return found


def poses_of_images(
    poses: Sequence[LoggedPose], names: Sequence[str], path: Path, from_one: bool = False
) -> dict[str, Matrix]:
    """The pose of each image that has one.

    The id is the number in the image's name: ``i i i+1`` goes with image i. Two more ways of counting are in use, and
    taken where the numbers leave no other: images from 1 on with ids from 0 on (Redwood; warned of), and ids that just
    count (Open3D writes 0, 1, 2, …, whatever the images are called) for images whose names bear no number, or numbers
    that are no id at all.

    Args:
        names: images in their natural order.
        path: the trajectory's file, for errors.
        from_one: whether the images are known to be numbered from 1 on.

    Returns:
        The pose of each name; images without one are absent.

    Raises:
        FrameError: no poses, an id twice, or ids from which it is not sure which image they mean.
    """
    if not poses:
        raise FrameError(f"{path}: 0 poses for {len(names)} frames: this trajectory is empty")
    ids = sorted(one.id for one in poses)
    if ids[0] == ids[-1] and len(ids) > 1:
        # All of them "0 0 1" or the like: they say nothing.
        return _in_order([one.pose for one in poses], names, path, f"all its frame ids are {ids[0]}")
    twice = next((one for one, after in pairwise(ids) if one == after), None)
    if twice is not None:
        raise FrameError(f"{path}: the frame id {twice} stands before two poses: leave the right one in the file")
    table = dict(poses)
    numbers = [number for name in names if (number := _number_of(name)) is not None]
    if len(set(numbers)) < len(names):
        why = "the images' names bear no numbers that could be its frame ids"
        return _in_order([table[one] for one in ids], names, path, why)
    shift = _shift(ids, numbers, from_one)
    matched = sum(number - shift in table for number in numbers)
    if ids == list(range(len(numbers))) and matched < len(numbers):
        if not matched:
            # Whoever cut the sequence numbered the images; these ids just count.
            return _in_order([table[one] for one in ids], names, path, "they just count")
        raise FrameError(
            f"{path}: its frame ids count from 0 to {ids[-1]}, but the images are numbered {_span(numbers)}: which "
            "pose belongs to which image is not sure; write the images' numbers before the poses, or number the images "
            "from 0 on"
        )
    if matched < _LEAST_MATCHED * min(len(ids), len(numbers)):
        raise FrameError(
            f"{path}: its {len(ids)} frame ids ({_span(ids)}) are not the numbers of the {len(numbers)} images "
            f"({_span(numbers)}): is it of another sequence?"
        )
    if shift and not from_one:
        warnings.warn(
            InputWarning(
                f"{path}: images are numbered from {min(numbers)}, poses from 0: pose i is taken to be of image i + 1"
            ),
            stacklevel=2,
        )
    pairs = zip(names, numbers, strict=True)
    return {name: table[number - shift] for name, number in pairs if number - shift in table}


def _shift(ids: Sequence[int], numbers: Sequence[int], from_one: bool) -> int:
    """0 where ids are the images' numbers, 1 where images are counted from 1 and ids from 0."""
    if min(numbers) < 1 or ids[0] != 0:
        return 0
    images = set(numbers)
    as_they_are, one_more = (sum(one + shift in images for one in ids) for shift in (0, 1))
    return int(one_more > as_they_are or (from_one and one_more == as_they_are))


def _in_order(poses: Sequence[Matrix], names: Sequence[str], path: Path, why: str) -> dict[str, Matrix]:
    if len(poses) != len(names):
        raise FrameError(
            f"{path}: {len(poses)} poses for {len(names)} frames: the file is cut short, or images were added or "
            f"removed; which is missing is not known, since {why}: write the images' numbers before the poses"
        )
    return dict(zip(names, poses, strict=True))


def _id(word: str, where: str) -> int:
    if not (_NUMBER.fullmatch(word.removeprefix("-")) and len(word) < 19):
        raise FrameError(f"{where} should begin with a line of 3 frame indices, got {word[:40]!r} among them")
    return int(word)


def _number_of(name: str) -> int | None:
    """The number in an image's name: the name itself, or the only number that it holds."""
    found = _NUMBER.findall(name)
    return int(found[0]) if len(found) == 1 and len(found[0]) < 19 else None


def _span(numbers: Sequence[int]) -> str:
    return f"{min(numbers)} to {max(numbers)}" if len(numbers) > 1 else str(numbers[0])

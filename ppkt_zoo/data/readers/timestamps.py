"""Things with time stamps: pairing images of two cameras, and where a camera was at a given time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ppkt_zoo.errors import FrameError

Vector = NDArray[np.float64]

# Of equal or nearly equal time stamps there may be so many for each on average; a file of one stamp only has more.
_MOST_CANDIDATES = 50
# A stored rotation is taken for one that is written with few digits, up to this far from unit length.
_UNIT = 1e-2


def associate(first: ArrayLike, second: ArrayLike, tolerance: float) -> list[tuple[int, int]]:
    """Pairs of nearest time stamps, the nearest of all first; each stamp is used at most once.

    Args:
        first, second: stamps (N,) and (M,) in seconds, in any order.
        tolerance: how far apart in seconds two of a pair may be, at most.

    Returns:
        (index in first, index in second) of each pair, in the order of time of ``first``.

    Raises:
        FrameError: nearly all stamps are the same, so that they tell nothing.
    """
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    order = np.argsort(two, kind="stable")
    # A little slack, so that 0.02 s is within 0.02 s whatever the stamps' binary digits.
    slack = tolerance + 1e-7
    begin = np.searchsorted(two[order], one - slack, side="left")
    end = np.searchsorted(two[order], one + slack, side="right")
    if (end - begin).sum() > _MOST_CANDIDATES * (len(one) + len(two)):
        raise FrameError(f"the time stamps tell no images apart: {int((end - begin).max())} of them are of one instant")
    candidates = [
        (abs(one[index] - two[order[place]]), index, int(order[place]))
        for index in range(len(one))
        for place in range(begin[index], end[index])
    ]
    free_one, free_two, pairs = np.ones(len(one), dtype=bool), np.ones(len(two), dtype=bool), []
    for _, index, other in sorted(candidates):
        if free_one[index] and free_two[other]:
            free_one[index] = free_two[other] = False
            pairs.append((index, other))
    return sorted(pairs, key=lambda pair: (one[pair[0]], pair[0]))


def pair_images(
    color: Sequence[float] | Vector, depth: Sequence[float] | Vector, tolerance: float, posed: Callable[[float], bool]
) -> tuple[list[tuple[int, int]], dict[str, int]]:
    """Colour and depth images of one instant for which there is a pose, and how many were left out.

    Args:
        color, depth: stamps in seconds (N,) and (M,).
        tolerance: as for :func:`associate`.
        posed: whether there is a pose at the time of a depth image.

    Returns:
        Places of the images in either list, and the number of colour images without depth (``color``), of depth
        images without colour (``depth``) and of pairs without a pose (``pose``).
    """
    pairs = associate(color, depth, tolerance)
    kept = [pair for pair in pairs if posed(float(depth[pair[1]]))]
    return kept, {"color": len(color) - len(pairs), "depth": len(depth) - len(pairs), "pose": len(pairs) - len(kept)}


@dataclass(frozen=True)
class TimedPoses:
    """Poses with time stamps; between two of them the camera moves evenly.

    Attributes:
        stamps: float64 (N,), seconds, rising.
        poses: float64 (N, 4, 4), camera → world; may hold NaN, which then also fills what lies beside it.
    """

    stamps: Vector
    poses: Vector

    def covers(self, time: float, gap: float) -> bool:
        """Whether a pose stands at this time, or one before and one after it at most ``gap`` seconds apart."""
        after = int(np.searchsorted(self.stamps, time, side="left"))
        if after < len(self.stamps) and self.stamps[after] == time:
            return True
        return 0 < after < len(self.stamps) and bool(self.stamps[after] - self.stamps[after - 1] <= gap)

    def at(self, time: float) -> Vector:
        """The pose (4, 4) at a time: translation and rotation go evenly from the one before to the one after.

        Raises:
            FrameError: the time lies before the first pose or after the last.
        """
        after = int(np.searchsorted(self.stamps, time, side="left"))
        if after < len(self.stamps) and self.stamps[after] == time:
            return self.poses[after].copy()
        if not 0 < after < len(self.stamps):
            raise FrameError(f"no pose at {time:.6f} s: the trajectory does not reach that far")
        before = after - 1
        share = (time - self.stamps[before]) / (self.stamps[after] - self.stamps[before])
        one, two = self.poses[before], self.poses[after]
        if not (np.isfinite(one).all() and np.isfinite(two).all()):
            return np.full((4, 4), np.nan)
        pose = np.eye(4)
        pose[:3, 3] = (1 - share) * one[:3, 3] + share * two[:3, 3]
        pose[:3, :3] = one[:3, :3] @ rotation_of(share * axis_angle_of(one[:3, :3].T @ two[:3, :3]))
        return pose


def timed_poses(stamps: ArrayLike, poses: ArrayLike) -> TimedPoses:
    """TimedPoses of stamps (N,) and poses (N, 4, 4) in any order; of equal stamps the first is kept."""
    times, first = np.unique(np.asarray(stamps, dtype=np.float64), return_index=True)
    return TimedPoses(times, np.asarray(poses, dtype=np.float64).reshape(-1, 4, 4)[first])


def quaternion_rotation(quaternion: ArrayLike) -> Vector:
    """The rotation (3, 3) of a quaternion (x, y, z, w); NaN where it holds NaN.

    Raises:
        FrameError: it is not of unit length.
    """
    stored = np.asarray(quaternion, dtype=np.float64)
    length = float(np.linalg.norm(stored))
    if abs(length - 1) > _UNIT:
        raise FrameError(f"the quaternion {stored.tolist()} is not of unit length")
    x, y, z, w = stored / length
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def rotation_of(axis_angle: ArrayLike) -> Vector:
    """The rotation (3, 3) about an axis (3,) by its length in radians (Rodrigues' formula)."""
    turn = np.asarray(axis_angle, dtype=np.float64)
    angle = float(np.linalg.norm(turn))
    x, y, z = turn
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    # sin(a)/a and (1 − cos a)/a², which numpy's sinc gives at 0 too.
    once, twice = np.sinc(angle / np.pi), np.sinc(angle / (2 * np.pi)) ** 2 / 2
    rotation: Vector = np.eye(3) + once * cross + twice * cross @ cross
    return rotation


def axis_angle_of(rotation: Vector) -> Vector:
    """The axis (3,) of a rotation (3, 3), its length the angle in radians, 0 to π."""
    # The quaternion is the top eigenvector of this symmetric matrix (Bar-Itzhack 2000): sure at every angle.
    r = rotation
    symmetric = np.array(
        [
            [r[0, 0] - r[1, 1] - r[2, 2], r[0, 1] + r[1, 0], r[0, 2] + r[2, 0], r[2, 1] - r[1, 2]],
            [r[0, 1] + r[1, 0], r[1, 1] - r[0, 0] - r[2, 2], r[1, 2] + r[2, 1], r[0, 2] - r[2, 0]],
            [r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], r[2, 2] - r[0, 0] - r[1, 1], r[1, 0] - r[0, 1]],
            [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], r[0, 0] + r[1, 1] + r[2, 2]],
        ]
    )
    quaternion = np.linalg.eigh(symmetric)[1][:, -1]
    quaternion = quaternion if quaternion[3] >= 0 else -quaternion
    sine = float(np.linalg.norm(quaternion[:3]))
    angle = 2 * np.arctan2(sine, quaternion[3])
    axis: Vector = quaternion[:3] * (angle / sine if sine > 0 else 0.0)
    return axis

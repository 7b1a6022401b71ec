"""Pairs of recordings in which the same places are known, to see whether features find them again."""

from dataclasses import dataclass

import numpy as np

from benchmarks.evaluation.material import Material, cloud_of
from benchmarks.evaluation.permissive import TRANSPARENT, Key, Permissive
from benchmarks.evaluation.permissive_measures import twins
from ppkt_zoo.points.cloud import PointCloud

# The camera stood still between these frames, which a weight may have been trained on.
_STILL: tuple[tuple[Key, Key], ...] = ((("pcl-laptop", 0), ("pcl-laptop", 1)), (("pcl-laptop", 1), ("pcl-laptop", 2)))
# Frames of the kitchen's walk that are asked, and how far on the second one is: 50 frames of the camera.
_WALK, _ON = range(70, 95, 5), 5


@dataclass(frozen=True)
class Pair:
    """Two recordings in the same coordinates.

    Attributes:
        first, second: their clouds.
        twin: int64 (N,), the row in the second of each point of the first, −1 where it is not there.
    """

    first: PointCloud
    second: PointCloud
    twin: np.ndarray


def pairs_of(frames: Permissive, material: Material, most: int | None = None) -> dict[str, list[Pair]]:
    """Held-out tables recorded twice by a camera that stood still, seen ones, and views of the kitchen's walk.

    Args:
        frames: the permissive ones.
        material: with the kitchen.
        most: pairs of each, all where None.
    """
    tables = [((TRANSPARENT, index), (TRANSPARENT, index + 1)) for index in range(0, 8, 2)]
    still = {"second recording of a table, held out": tables, "second recording, seen": list(_STILL)}
    found = {name: [_still(frames, *keys) for keys in pairs[:most]] for name, pairs in still.items()}
    kitchen = [
        Pair(first, second, twins(first, second))
        for first, second in (
            [cloud_of(material.kitchen[index]).cloud for index in (start, start + _ON)] for start in [*_WALK][:most]
        )
    ]
    return {**found, "another view of the kitchen": kitchen}


def _still(frames: Permissive, one: Key, other: Key) -> Pair:
    """Both in the first one's world: each frame's own estimate of gravity differs a little."""
    first, second = frames.cloud(one), frames.cloud(other)
    pose = first.frame.pose
    own = second.frame.pose
    assert pose is not None
    assert own is not None
    turn = (pose[:3, :3] @ own[:3, :3].T).astype(np.float32)
    moved = (second.cloud.xyz.numpy() - own[:3, 3]) @ turn.T + pose[:3, 3]
    cloud = PointCloud.from_arrays(moved.astype(np.float32), second.cloud.rgb)
    return Pair(first.cloud, cloud, twins(first.cloud, cloud))

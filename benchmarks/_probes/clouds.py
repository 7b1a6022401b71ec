"""Frames as clouds, and the two real sets that no weight is trained on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ppkt_zoo.data.frames import FrameSource, RGBDFrame
from ppkt_zoo.data.readers.plain import PlainFrames
from ppkt_zoo.data.readers.seven_scenes import SevenScenes
from ppkt_zoo.points.back_projection import back_project
from ppkt_zoo.points.cloud import PointCloud

KITCHEN, MOSD = "frames/seven_scenes_redkitchen", "frames/mosd"
_MOSD_INTRINSICS = (525.0, 525.0, 319.5, 239.5)
# Of 640×480 frames every second pixel of a row and of a column; rooms are rendered at half the size.
_REAL_STRIDE = 2


@dataclass(frozen=True)
class FrameCloud:
    """A frame as the student sees it.

    Attributes:
        cloud: N points, in the frame's z-up world.
        pixel: int64 (N, 2), (u, v) of each point.
        frame: where it comes from.
    """

    cloud: PointCloud
    pixel: np.ndarray
    frame: RGBDFrame

    def label(self) -> np.ndarray:
        """int64 (N,), the frame's own label at each point's pixel."""
        assert self.frame.label is not None
        return self.frame.label[self.pixel[:, 1], self.pixel[:, 0]].astype(np.int64)


def cloud_of(frame: RGBDFrame) -> FrameCloud:
    """Back-project a frame, real ones at half resolution."""
    stride = _REAL_STRIDE if frame.depth.shape[1] >= 640 else 1
    xyz, pixel = back_project(frame.depth, frame.intrinsics, frame.pose, stride)
    return FrameCloud(PointCloud.from_arrays(xyz, frame.color[pixel[:, 1], pixel[:, 0]]), pixel, frame)


def open_kitchen(shared: Path) -> SevenScenes:
    """The real kitchen, 100 frames of one walk."""
    return SevenScenes(shared / KITCHEN)


def open_mosd(shared: Path) -> PlainFrames:
    """The real table tops, without poses: gravity is estimated in each frame."""
    return PlainFrames(shared / MOSD, intrinsics=_MOSD_INTRINSICS)


def pick(source: FrameSource, count: int, seed: int) -> list[int]:
    """`count` different frames of a source, rising."""
    drawn = np.random.default_rng([seed, 17]).permutation(len(source))[:count]
    return sorted(int(index) for index in drawn)

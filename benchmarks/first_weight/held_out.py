"""The frames that the proof looks at, none of which the weight was trained on, and their clouds."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from setting import Setting

from ppkt_zoo.data.frames import FrameSource, RGBDFrame
from ppkt_zoo.data.plain import PlainFrames
from ppkt_zoo.data.rooms import RoomsFrames
from ppkt_zoo.data.seven_scenes import SevenScenes
from ppkt_zoo.points.back_projection import back_project
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.train.recipe import FramesData, RoomsData

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

    def raw(self) -> np.ndarray:
        """float32 (N, 6): colour in [0, 1] and position in metres, the control that needs no network."""
        assert self.cloud.rgb is not None
        return torch.cat([self.cloud.rgb.float() / 255.0, self.cloud.xyz], dim=1).numpy()


def cloud_of(frame: RGBDFrame) -> FrameCloud:
    """Back-project a frame, real ones at half resolution."""
    stride = _REAL_STRIDE if frame.depth.shape[1] >= 640 else 1
    xyz, pixel = back_project(frame.depth, frame.intrinsics, frame.pose, stride)
    return FrameCloud(PointCloud.from_arrays(xyz, frame.color[pixel[:, 1], pixel[:, 0]]), pixel, frame)


def kitchen(setting: Setting) -> SevenScenes:
    """The real kitchen, 100 frames of one walk."""
    return SevenScenes(setting.shared / KITCHEN)


def mosd(setting: Setting) -> PlainFrames:
    """The real table tops, without poses: gravity is estimated in each frame."""
    return PlainFrames(setting.shared / MOSD, intrinsics=_MOSD_INTRINSICS)


def rooms(setting: Setting, seed: int, count: int, frames_per_room: int) -> RoomsFrames:
    """Procedural rooms of a seed that no recipe uses."""
    return RoomsFrames(seed, count, frames_per_room, cache=setting.cache / "rooms")


def refuse_seen(setting: Setting) -> list[str]:
    """What the weight was trained on, by name.

    Raises:
        SystemExit: one of the held-out sets is among it.
    """
    names = []
    for entry in setting.recipe.data:
        names.append(entry.name)
        seen_rooms = isinstance(entry, RoomsData) and entry.seed >= 700_000
        if seen_rooms or (isinstance(entry, FramesData) and entry.name in (Path(KITCHEN).name, Path(MOSD).name)):
            raise SystemExit(f"the weight was trained on {entry.name}: it proves nothing there")
    return names


def pick(source: FrameSource, count: int, seed: int) -> list[int]:
    """`count` different frames of a source, rising."""
    drawn = np.random.default_rng([seed, 17]).permutation(len(source))[:count]
    return sorted(int(index) for index in drawn)

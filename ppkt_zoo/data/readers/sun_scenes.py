"""SUN RGB-D as labelled scenes: the cloud of each frame with its boxes, as 3D detection wants them."""

from pathlib import Path

import numpy as np

from ppkt_zoo.data.frame_scenes import FrameScenes
from ppkt_zoo.data.readers.sun_rgbd import SunRGBD
from ppkt_zoo.data.scenes import LabelledScene


class SunScenes(FrameScenes):
    """One scene for each frame of SUN RGB-D: every pixel with depth as a point, boxes of ten classes.

    The boxes have no points of their own in this data set, so ``label`` is −1 everywhere and ``classes`` is empty.

    Args:
        folder: as for :class:`~ppkt_zoo.data.readers.sun_rgbd.SunRGBD`.
        depth: ``"bfx"`` or ``"raw"``, as there.

    Raises:
        FrameError: as there; frames and boxes are checked when a scene is read.
    """

    frames: SunRGBD
    box_classes = SunRGBD.box_classes

    def __init__(self, folder: Path | str, depth: str = "bfx") -> None:
        super().__init__(SunRGBD(folder, depth=depth), classes=())

    def __getitem__(self, index: int) -> LabelledScene:
        """A frame's cloud and boxes."""
        frame, boxes = self.frames[index], self.frames.boxes(index)
        xyz, rgb, _ = frame.points()
        label = np.full(len(xyz), -1, dtype=np.int16)
        return self._scene(frame.name, xyz, rgb, label, boxes.boxes, boxes.label)

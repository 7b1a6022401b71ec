"""SUN RGB-D as labelled scenes: the cloud of each frame with its boxes, as 3D detection wants them."""

from pathlib import Path

import numpy as np

from ppkt_zoo.data.readers.sun_rgbd import SunRGBD
from ppkt_zoo.data.scenes import LabelledScene


class SunScenes:
    """One scene for each frame of SUN RGB-D: every pixel with depth as a point, boxes of ten classes.

    The boxes have no points of their own in this data set, so ``label`` is −1 everywhere and ``classes`` is empty.

    Args:
        folder: as for :class:`~ppkt_zoo.data.readers.sun_rgbd.SunRGBD`.
        depth: ``"bfx"`` or ``"raw"``, as there.

    Raises:
        FrameError: as there; frames and boxes are checked when a scene is read.
    """

    classes: tuple[str, ...] = ()
    box_classes = SunRGBD.box_classes

    def __init__(self, folder: Path | str, depth: str = "bfx") -> None:
        self.frames = SunRGBD(folder, depth=depth)

    @property
    def name(self) -> str:
        """What reports call this source."""
        return self.frames.name

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> LabelledScene:
        frame, boxes = self.frames[index], self.frames.boxes(index)
        xyz, rgb, _ = frame.points()
        return LabelledScene(
            xyz=xyz,
            rgb=rgb,
            label=np.full(len(xyz), -1, dtype=np.int16),
            instance=None,
            boxes=boxes.boxes,
            box_label=boxes.label,
            classes=self.classes,
            box_classes=self.box_classes,
            name=frame.name,
        )

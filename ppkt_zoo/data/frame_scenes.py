"""Single labelled RGB-D frames as labelled scenes: a class for every pixel with depth."""

import numpy as np

from ppkt_zoo.data.frames import FrameSource
from ppkt_zoo.data.readers.plain import OBJECT_CLASSES
from ppkt_zoo.data.scenes import LabelledScene
from ppkt_zoo.errors import FrameError
from ppkt_zoo.points.back_projection import pixel_values

__all__ = ["FrameScenes"]


class FrameScenes:
    """One scene for each frame that has a label for its pixels. A SceneSource without boxes.

    Args:
        frames: such as :class:`~ppkt_zoo.data.readers.plain.PlainFrames` with ``NAME.object.png`` beside its frames.
        classes: what the labels mean.
        pixel_stride: every n-th pixel in each direction becomes a point.
    """

    box_classes: tuple[str, ...] = ()

    def __init__(self, frames: FrameSource, classes: tuple[str, ...] = OBJECT_CLASSES, pixel_stride: int = 1) -> None:
        self.frames, self.classes, self._stride = frames, classes, pixel_stride

    @property
    def name(self) -> str:
        """What reports call this source."""
        return self.frames.name

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> LabelledScene:
        """A frame's cloud.

        Raises:
            FrameError: the frame has no labels, or is damaged.
        """
        frame = self.frames[index]
        if frame.label is None:
            raise FrameError(f"frame {frame.name} has no labels: NAME.object.png is missing beside it")
        xyz, rgb, pixel = frame.points(self._stride)
        return self._scene(frame.name, xyz, rgb, pixel_values(frame.label, pixel))

    def _scene(
        self,
        name: str,
        xyz: np.ndarray,
        rgb: np.ndarray,
        label: np.ndarray,
        boxes: np.ndarray | None = None,
        box_label: np.ndarray | None = None,
    ) -> LabelledScene:
        """A frame's points (M, 3), colours and labels as a scene of this source."""
        return LabelledScene(
            xyz=xyz,
            rgb=rgb,
            label=label,
            instance=None,
            boxes=boxes,
            box_label=box_label,
            classes=self.classes,
            box_classes=self.box_classes,
            name=name,
        )

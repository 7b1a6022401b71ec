"""LabelledScene and the interface of everything that yields labelled scenes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ppkt_zoo.data.frames import FARTHEST, FrameSource, check_array
from ppkt_zoo.data.readers.box_files import heading_fault
from ppkt_zoo.data.readers.plain import OBJECT_CLASSES
from ppkt_zoo.errors import FrameError, InputError
from ppkt_zoo.points.back_projection import pixel_values


@dataclass(frozen=True)
class LabelledScene:
    """One cloud with what is known of its points and its objects.

    Attributes:
        xyz: float32 (N, 3), metres, z up.
        rgb: uint8 (N, 3), or None.
        label: int16 (N,), index into ``classes``; −1 where the point has none of them.
        instance: int32 (N,), the object of each point (0 none), or None where the data set tells none.
        boxes: float64 (K, 7): centre, full size, heading in radians counter-clockwise about +z; None where the
            data set has no boxes, (0, 7) where this scene has none.
        box_label: int16 (K,), index into ``box_classes``; None with ``boxes``.
        classes: names of the points' classes.
        box_classes: names of the boxes' classes.
        name: what errors and reports call this scene.
        dropped: lines of the files that hold no point and were left out.

    Raises:
        FrameError: shapes, dtypes or values do not fit; the message names the scene.
    """

    xyz: np.ndarray
    rgb: np.ndarray | None
    label: np.ndarray
    instance: np.ndarray | None
    boxes: np.ndarray | None
    box_label: np.ndarray | None
    classes: tuple[str, ...]
    box_classes: tuple[str, ...]
    name: str
    dropped: int = 0

    def __post_init__(self) -> None:
        where = f"scene {self.name}"
        check_array(where, "xyz", self.xyz, np.float32, (None, 3))
        if not np.isfinite(self.xyz).all():
            raise FrameError(f"{where}: xyz has NaN or infinite values: leave these points out")
        away = float(np.abs(self.xyz).max())
        if not away < FARTHEST:
            raise FrameError(
                f"{where}: xyz reaches {away:.3g} m from the origin, where points run into each other: it must be in "
                "metres and without outliers; of map coordinates take the same offset from all"
            )
        points = len(self.xyz)
        if self.rgb is not None:
            check_array(where, "rgb", self.rgb, np.uint8, (points, 3))
        check_array(where, "label", self.label, np.int16, (points,))
        _check_indices(where, "label", self.label, -1, self.classes)
        if self.instance is not None:
            check_array(where, "instance", self.instance, np.int32, (points,))
            if self.instance.min() < 0:
                raise FrameError(f"{where}: instance must be 0 (none) or more, got {self.instance.min()}")
        if (self.boxes is None) != (self.box_label is None):
            raise FrameError(f"{where}: boxes and box_label must be given both, or neither")
        if self.boxes is not None and self.box_label is not None:
            check_array(where, "boxes", self.boxes, np.float64, (None, 7), empty=True)
            check_array(where, "box_label", self.box_label, np.int16, (len(self.boxes),), empty=True)
            if not np.isfinite(self.boxes).all() or (self.boxes[:, 3:6] < 0).any():
                raise FrameError(f"{where}: boxes must be finite, with sizes of 0 or more")
            if len(self.boxes) and (fault := heading_fault(float(np.abs(self.boxes[:, 6]).max()))):
                raise FrameError(f"{where}: {fault}")
            _check_indices(where, "box_label", self.box_label, 0, self.box_classes)


class SceneSource(Protocol):
    """Anything that yields labelled scenes by index."""

    @property
    def name(self) -> str:
        """What reports call this source."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the points, the same for all scenes."""

    @property
    def box_classes(self) -> tuple[str, ...]:
        """The classes of the boxes, the same for all scenes; empty where there are no boxes."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> LabelledScene: ...


def _check_indices(where: str, field: str, values: np.ndarray, least: int, names: tuple[str, ...]) -> None:
    wrong = (values < least) | (values >= len(names))
    if wrong.any():
        raise FrameError(
            f"{where}: {field} must lie between {least} and {len(names) - 1} ({len(names)} classes), "
            f"got {values[wrong][0]}"
        )


class JoinedScenes:
    """The scenes of several sources of the same classes, one source after the other. A SceneSource.

    Args:
        sources: at least one.
        name: what reports call them together.

    Raises:
        InputError: no source, or sources of different classes.
    """

    def __init__(self, sources: Sequence[SceneSource], name: str) -> None:
        if not sources:
            raise InputError(f"{name}: no source of scenes was given")
        first = sources[0]
        for other in sources[1:]:
            if (other.classes, other.box_classes) != (first.classes, first.box_classes):
                raise InputError(f"{name}: {first.name} and {other.name} have different classes")
        self._sources, self.name = tuple(sources), name
        self.classes, self.box_classes = first.classes, first.box_classes

    def __len__(self) -> int:
        return sum(map(len, self._sources))

    def __getitem__(self, index: int) -> LabelledScene:
        left = index
        for source in self._sources:
            if 0 <= left < len(source):
                return source[left]
            left -= len(source)
        raise IndexError(f"{self.name} has scenes 0 to {len(self) - 1}, there is no scene {index}")


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
        self.name = frames.name

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> LabelledScene:
        """A frame's cloud; raises FrameError where the frame has no labels, or is damaged."""
        frame = self.frames[index]
        if frame.label is None:
            raise FrameError(f"frame {frame.name} has no labels: NAME.object.png is missing beside it")
        xyz, rgb, pixel = frame.points(self._stride)
        label = pixel_values(frame.label, pixel)
        return LabelledScene(xyz, rgb, label, None, None, None, self.classes, self.box_classes, frame.name)

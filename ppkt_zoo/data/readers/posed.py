"""What readers of folders of frames share: one camera for all frames, and poses that are turned to z up."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.data.gravity import DepthView, Matrix, aligned, upright_pose, world_to_z_up
from ppkt_zoo.data.readers.cameras import Camera, read_pose
from ppkt_zoo.data.readers.images import check_depth_scale, find_color, read_color, read_depth
from ppkt_zoo.data.subset import existing_folder


class Posed:
    """A sequence whose poses lead to one world, which is turned so that its z points up.

    A reader sets ``name`` and ``_up``, and gives `__len__`, `_stored_pose` and `_view`.
    """

    name: str
    _up: str | Matrix

    @cached_property
    def alignment(self) -> Matrix:
        """The (4, 4) transform from the stored world to the z-up world that poses lead to."""
        return world_to_z_up(self._up, self._stored_pose, self._view, len(self), self.name)

    def __len__(self) -> int:
        raise NotImplementedError

    def _stored_pose(self, index: int) -> Matrix:
        """A frame's pose (4, 4) as stored; not finite or no rotation where tracking was lost."""
        raise NotImplementedError

    def _view(self, index: int) -> DepthView:
        """A frame's depth (H, W) in metres, and the intrinsics that belong to it."""
        raise NotImplementedError


class PosedFolder(Posed):
    """A folder of registered frames of one camera, each read when it is asked for.

    A reader sets ``_camera`` and ``_up``, ``_posed = False`` where frames have no poses, and gives `__len__`,
    `_frame_name`, `_color`, `_depth` and `_stored_pose`.

    Args:
        folder: must exist.
        depth_scale: stored units in a metre.

    Raises:
        FrameError: no such folder, or no such scale.
    """

    _camera: Camera
    _posed = True

    def __init__(self, folder: Path | str, depth_scale: float) -> None:
        self.folder = existing_folder(folder)
        self.name = self.folder.resolve().name
        check_depth_scale(depth_scale)
        self._depth_scale = depth_scale

    def __getitem__(self, index: int) -> RGBDFrame:
        name, color, depth = f"{self.name}/{self._frame_name(index)}", self._color(index), self._depth(index)
        intrinsics = self._camera.matrix
        if self._posed:
            pose: Matrix | None = aligned(self.alignment, self._stored_pose(index))
        else:
            pose = upright_pose(self._up, depth, intrinsics, name)
        frame = RGBDFrame(color, depth, intrinsics.copy(), pose, name, **self._labels(index))
        self._camera.check_size(color.shape, name)
        return frame

    def _frame_name(self, index: int) -> str:
        raise NotImplementedError

    def _color(self, index: int) -> NDArray[np.uint8]:
        raise NotImplementedError

    def _depth(self, index: int) -> NDArray[np.float32]:
        raise NotImplementedError

    def _labels(self, index: int) -> dict[str, NDArray[Any]]:
        """The fields ``label`` and ``instance`` of a frame that has them."""
        return {}

    def _view(self, index: int) -> DepthView:
        return self._depth(index), self._camera.matrix


class NamedFrames(PosedFolder):
    """Frames by name: ``NAME.color.png`` (or ``.jpg``), ``NAME.depth.png``, ``NAME.pose.txt``.

    A reader sets ``_stems``, the names in their order.
    """

    _stems: list[str]

    def __len__(self) -> int:
        return len(self._stems)

    def color_file(self, index: int) -> Path:
        """Where a frame's colour is stored."""
        return find_color(self.folder, f"{self._stems[index]}.color")

    def _frame_name(self, index: int) -> str:
        return self._stems[index]

    def _color(self, index: int) -> NDArray[np.uint8]:
        return read_color(self.color_file(index))

    def _depth(self, index: int) -> NDArray[np.float32]:
        return read_depth(self.folder / f"{self._stems[index]}.depth.png", self._depth_scale)

    def _stored_pose(self, index: int) -> Matrix:
        return read_pose(self.folder / f"{self._stems[index]}.pose.txt")

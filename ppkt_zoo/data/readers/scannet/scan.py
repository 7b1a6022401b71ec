"""What the two forms of a ScanNet recording, stream and exported images, have in common."""

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.data.gravity import WORLD_UP, DepthView, Matrix, Up, aligned, check_up
from ppkt_zoo.data.readers.posed import Posed
from ppkt_zoo.data.readers.scannet.cameras import TwoCameras
from ppkt_zoo.errors import FrameError


class Scan(Posed):
    """The frames of one recording whose pose is known.

    A frame is what the colour camera saw, scaled to the size of the depth image, with depth registered to it.

    Attributes:
        name: what reports call this recording.
        skipped: numbers of the frames left out because tracking was lost (their pose is not finite).

    Args:
        name: what reports call this recording.
        cameras: its two cameras.
        numbers: numbers of the frames with a pose, in order.
        skipped: numbers of those without.
        up: how the world is turned to z up: ``"world-z"`` (poses as stored: ScanNet's world has z up),
            ``"gravity"`` (from depth normals), ``"camera-y"``, or the up direction in the stored world.

    Raises:
        FrameError: no frame has a pose, or ``up`` is none of these.
    """

    def __init__(self, name: str, cameras: TwoCameras, numbers: list[int], skipped: list[int], up: Up) -> None:
        if not numbers:
            found = f"all of its {len(skipped)} frames have lost tracking" if skipped else "it has no frames"
            raise FrameError(f"{cameras.where}: {found}: leave this recording out")
        self.name = name
        self.cameras = cameras
        self.skipped = tuple(skipped)
        self._numbers = numbers
        self._up = check_up(up, WORLD_UP)

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: int) -> RGBDFrame:
        number = self._numbers[index]
        name = f"{self.name}/{number}"
        color, depth, intrinsics = self.cameras.register(self._color(number), self._depth(number), name)
        return RGBDFrame(
            color=color,
            depth=depth,
            intrinsics=intrinsics,
            pose=aligned(self.alignment, _moved(self._pose(number), self.cameras.color_to_base)),
            name=name,
        )

    def _stored_pose(self, index: int) -> Matrix:
        return _moved(self._pose(self._numbers[index]), self.cameras.depth_to_base)

    def _view(self, index: int) -> DepthView:
        return self._depth(self._numbers[index]), self.cameras.depth

    def _color(self, number: int) -> NDArray[np.uint8]:
        """The colour image (Hc, Wc, 3) of a frame, as stored."""
        raise NotImplementedError

    def _depth(self, number: int) -> NDArray[np.float32]:
        """The depth image (Hd, Wd) of a frame in metres, as stored."""
        raise NotImplementedError

    def _pose(self, number: int) -> Matrix:
        """The stored pose (4, 4) of a frame: from the base that the extrinsics lead to, to the world."""
        raise NotImplementedError


def _moved(pose: Matrix, motion: Matrix) -> Matrix:
    """The pose after a motion; numbers that are beyond every range make one that is none, and no warning."""
    with np.errstate(over="ignore", invalid="ignore"):
        moved: Matrix = pose @ motion
    return moved

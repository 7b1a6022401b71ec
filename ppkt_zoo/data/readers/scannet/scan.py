"""What the two forms of a ScanNet recording, stream and exported images, have in common."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.data.gravity import WORLD_UP, DepthView, Up, aligned, check_up
from ppkt_zoo.data.readers.cameras import Matrix, check_intrinsics
from ppkt_zoo.data.readers.posed import Posed
from ppkt_zoo.data.readers.registration import register_depth, scale_camera
from ppkt_zoo.data.subset import entries
from ppkt_zoo.errors import FrameError

# The optical axis of a real camera meets its image about the middle; not within this part of its size means that
# the images were resized and their intrinsics were not.
_OFF_CENTRE = 0.2
SCAN_NAME = re.compile(r"scene\d{4}_\d{2}")


@dataclass(frozen=True)
class TwoCameras:
    """Colour and depth camera of one scan.

    Attributes:
        color: float64 (3, 3), intrinsics of the colour images as they are stored, pixels.
        depth: float64 (3, 3), the same of the depth images.
        color_to_base: float64 (4, 4), from the colour camera to the frame that poses are of, metres.
        depth_to_base: float64 (4, 4), the same of the depth camera.
        where: the file that they are from.

    Raises:
        FrameError: a matrix is none of a pinhole camera, or no rotation and translation.
    """

    color: Matrix
    depth: Matrix
    color_to_base: Matrix
    depth_to_base: Matrix
    where: str

    def __post_init__(self) -> None:
        check_intrinsics(self.color, f"{self.where}: the colour camera")
        check_intrinsics(self.depth, f"{self.where}: the depth camera")
        for motion, name in ((self.color_to_base, "colour"), (self.depth_to_base, "depth")):
            turn = motion[:3, :3]
            rigid = np.isfinite(motion).all() and np.allclose(turn @ turn.T, np.eye(3), atol=1e-2)
            if not rigid or np.linalg.det(turn) < 0 or not np.array_equal(motion[3], [0, 0, 0, 1]):
                raise FrameError(f"{self.where}: the extrinsics of {name} are no rotation and translation (4×4)")

    def register(
        self, color: NDArray[np.uint8], depth: NDArray[np.float32], name: str
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32], Matrix]:
        """Colour at the size of the depth image, depth as the colour camera sees it, and the intrinsics of both.

        Args:
            color: uint8 (Hc, Wc, 3), as stored.
            depth: float32 (Hd, Wd), metres, as stored.
            name: what the error calls this frame.

        Returns:
            uint8 (Hd, Wd, 3), float32 (Hd, Wd), float64 (3, 3).

        Raises:
            FrameError: the intrinsics are of images of another size.
        """
        if (color.shape[1] > color.shape[0]) != (depth.shape[1] > depth.shape[0]):
            raise FrameError(
                f"frame {name}: colour is {color.shape[1]}×{color.shape[0]}, but depth {depth.shape[1]}×"
                f"{depth.shape[0]}, the other way up: an EXIF orientation turned one of them, or one was stored turned"
            )
        self._check_size(self.color, color, "colour", name)
        self._check_size(self.depth, depth, "depth", name)
        size = (depth.shape[0], depth.shape[1])
        color, intrinsics = scale_camera(color, self.color, size)
        motion = np.linalg.inv(self.color_to_base) @ self.depth_to_base
        return color, register_depth(depth, self.depth, intrinsics, size, motion), intrinsics

    def _check_size(self, intrinsics: Matrix, image: NDArray, what: str, name: str) -> None:
        height, width = image.shape[:2]
        off = (intrinsics[:2, 2] + 0.5) / [width, height] - 0.5
        if np.abs(off).max() > _OFF_CENTRE:
            raise FrameError(
                f"frame {name}: this {what} image is {width}×{height}, but {self.where} has intrinsics of another size "
                f"(centre {intrinsics[0, 2]:g}, {intrinsics[1, 2]:g}): give images of the size that was recorded, "
                "or scale the intrinsics as well"
            )


def find_scans(folder: Path) -> dict[str, Path]:
    """Name → folder of the scans at a folder: itself, those in it, or those in its ``scans``."""
    if SCAN_NAME.fullmatch(folder.resolve().name):
        return {folder.resolve().name: folder}
    above = folder / "scans" if (folder / "scans").is_dir() else folder
    return {path.name: path for path in entries(above) if SCAN_NAME.fullmatch(path.name) and path.is_dir()}


class Scan(Posed):
    """The frames of one recording whose pose is known.

    A frame is what the colour camera saw, scaled to the size of the depth image, with depth registered to it.

    Attributes:
        name: what reports call this recording.
        skipped: numbers of the frames left out because tracking was lost (their pose is not finite).

    Args:
        name: what reports call this recording.
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

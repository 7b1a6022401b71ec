"""7-Scenes (Glocker et al., ISMAR 2013): Kinect sequences of seven rooms, with a pose for each frame."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.gravity import WORLD_UP, Matrix, Up, check_up
from ppkt_zoo.data.readers.cameras import (
    CAMERA_FILES,
    Camera,
    Intrinsics,
    find_camera,
    given_camera,
    read_checked_camera,
    read_pose,
)
from ppkt_zoo.data.readers.images import find_color, read_color, read_depth
from ppkt_zoo.data.readers.posed import PosedFolder
from ppkt_zoo.data.subset import check_name, entries, natural_key
from ppkt_zoo.errors import FrameError

# What the data set's page states for all of its sequences, which come without an intrinsics file.
PUBLISHED_INTRINSICS = (585.0, 585.0, 320.0, 240.0)
_PARTS = (".color.png", ".color.jpg", ".color.jpeg", ".depth.png", ".pose.txt")


class SevenScenes(PosedFolder):
    """The frames of one sequence (``frame-NNNNNN.color.png``, …), or of a scene with ``seq-NN`` folders.

    The published colour and depth are from two lenses and not registered; they are read as if they were.

    Args:
        folder: a sequence's folder, or a scene's (all sequences of a scene share one world).
        intrinsics: (3, 3) or (fx, fy, cx, cy); by default ``camera-intrinsics.txt`` in the folder or in
            the one above. The published sequences have none: give ``PUBLISHED_INTRINSICS``.
        up: how the world is turned to z up: ``"gravity"`` (from depth normals), ``"camera-y"`` (mean up of
            the cameras), ``"world-z"`` (poses as stored), or the up direction in the stored world.
        depth_scale: stored units in a metre.

    Raises:
        FrameError: no such folder, no frames in it, or no intrinsics; frames are checked when they are read.
    """

    def __init__(
        self, folder: Path | str, intrinsics: Intrinsics | None = None, up: Up = "gravity", depth_scale: float = 1000.0
    ) -> None:
        super().__init__(folder, depth_scale)
        self._up = check_up(up, WORLD_UP)
        self._stems = _list_stems(self.folder)
        if not self._stems:
            raise FrameError(
                f"{self.folder}: no frames of 7-Scenes here: expected frame-NNNNNN.color.png (or .jpg), "
                ".depth.png and .pose.txt, or folders seq-NN of them"
            )
        self._camera = _find_camera(self.folder) if intrinsics is None else given_camera(intrinsics)

    def __len__(self) -> int:
        return len(self._stems)

    def color_file(self, index: int) -> Path:
        """Where a frame's colour is stored."""
        return find_color(self.folder, f"{self._stems[index]}.color")

    def _frame_name(self, index: int) -> str:
        return self._stems[index]

    def _color(self, index: int) -> NDArray[np.uint8]:
        return read_color(self.color_file(index))

    def _stored_pose(self, index: int) -> Matrix:
        return read_pose(self.folder / f"{self._stems[index]}.pose.txt")

    def _depth(self, index: int) -> NDArray[np.float32]:
        return read_depth(self.folder / f"{self._stems[index]}.depth.png", self._depth_scale)


def _list_stems(folder: Path) -> list[str]:
    stems = set()
    sequences = [path for path in entries(folder) if path.name.startswith("seq-") and path.is_dir()]
    for path in (path for place in (folder, *sequences) for path in entries(place)):
        part = next((part for part in _PARTS if path.name.endswith(part)), None)
        if part is not None and path.name.startswith("frame-"):
            check_name(path)
            stems.add(path.relative_to(folder).as_posix().removesuffix(part))
    return sorted(stems, key=natural_key)


def _find_camera(folder: Path) -> Camera:
    found = find_camera(folder) or find_camera(folder.resolve().parent)
    if found is None:
        raise FrameError(
            f"{folder / CAMERA_FILES[0]}: this intrinsics file is missing: write the 3×3 matrix there, or give "
            "intrinsics=(fx, fy, cx, cy) (--intrinsics in commands); the data set's page states 585, 585, 320, 240"
        )
    return read_checked_camera(found)

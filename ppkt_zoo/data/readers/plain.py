"""A plain folder of frames: the layout for one's own camera, and the layout of ``mosd``.

NAME.color.jpg (or .png)    colour
NAME.depth.png              16-bit millimetres, 0 = hole, registered to colour
NAME.pose.txt               4×4 camera → world, for all frames or for none
NAME.object.png             ids: 0 nothing known, 1 the table, 2 and more the objects; optional
camera-intrinsics.txt       3×3 of all frames, or another form and name (docs/datasets.md); else the argument intrinsics
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.gravity import FRAME_UP, WORLD_UP, Up, check_up
from ppkt_zoo.data.readers.cameras import Intrinsics, camera_of, given_camera
from ppkt_zoo.data.readers.images import read_ids
from ppkt_zoo.data.readers.posed import NamedFrames
from ppkt_zoo.data.subset import check_name, entries, natural_key
from ppkt_zoo.errors import FrameError

# The label of each pixel where there are object ids; −1 where the id is 0.
OBJECT_CLASSES = ("table", "object")
_PARTS = (".color.jpg", ".color.jpeg", ".color.png", ".depth.png", ".pose.txt", ".object.png")
_POSE = ".pose.txt"


class PlainFrames(NamedFrames):
    """The frames of a plain folder.

    Where an ``object.png`` stands beside a frame, its ids become ``instance`` (0 none), and ``label`` is
    −1 for id 0, 0 for the table (id 1), 1 for an object (id 2 and more): ``OBJECT_CLASSES``.

    Args:
        intrinsics: (3, 3) or (fx, fy, cx, cy); by default the intrinsics file of the folder.
        up: for frames with poses as in SevenScenes. For frames without: ``"gravity"`` gives each frame
            a pose of its own that turns its camera frame upright (by depth normals), ``"camera-y"`` one that
            takes the camera for level, ``"none"`` gives no pose.
        depth_scale: stored units in a metre.

    Raises:
        FrameError: no such folder, no frames in it, no intrinsics, or poses for less than half of the frames; the
            rest is checked when a frame is read. A frame without a pose among others that have one is lost.
    """

    def __init__(
        self, folder: Path | str, intrinsics: Intrinsics | None = None, up: Up = "gravity", depth_scale: float = 1000.0
    ) -> None:
        super().__init__(folder, depth_scale)
        self._stems, posed = _list_stems(self.folder)
        if not self._stems:
            raise FrameError(f"{self.folder}: no frames here: expected NAME.color.jpg (or .png) and NAME.depth.png")
        self._posed = bool(posed)
        self._check_poses(posed)
        self._up = check_up(up, WORLD_UP if self._posed else FRAME_UP)
        self._camera = camera_of(self.folder) if intrinsics is None else given_camera(intrinsics)

    def _labels(self, index: int) -> dict[str, NDArray[Any]]:
        file = self.folder / f"{self._stems[index]}.object.png"
        if not file.exists():
            return {}
        ids = read_ids(file)
        return {"label": (np.minimum(ids, len(OBJECT_CLASSES)) - 1).astype(np.int16), "instance": ids}

    def _check_poses(self, posed: set[str]) -> None:
        missing = [stem for stem in self._stems if stem not in posed]
        if self._posed and 2 * len(missing) > len(self._stems):
            raise FrameError(
                f"{self.folder / (missing[0] + _POSE)}: this pose is missing ({len(missing)} of {len(self._stems)} "
                "frames have none): give every frame a pose, or none"
            )


def _list_stems(folder: Path) -> tuple[list[str], set[str]]:
    """The frames of a folder in their order, and those of them that have a pose."""
    stems: set[str] = set()
    posed: set[str] = set()
    for path in entries(folder):
        part = next((part for part in _PARTS if path.name.endswith(part)), None)
        if part is not None:
            check_name(path)
            (posed if part == _POSE else stems).add(path.name.removesuffix(part))
    # A pose alone is a frame too, one that cannot be read.
    return sorted(stems | posed, key=natural_key), posed

"""7-Scenes (Glocker et al., ISMAR 2013): Kinect sequences of seven rooms, with a pose for each frame."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ppkt_zoo.data.alignment import WORLD_UP, DepthView, Matrix, aligned, check_up, world_to_z_up
from ppkt_zoo.data.cameras import as_intrinsics, read_intrinsics, read_matrix
from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.data.images import find_color, read_color, read_depth
from ppkt_zoo.data.listing import existing_folder, natural_key
from ppkt_zoo.errors import FrameError

# What the data set's page states for all of its sequences, which come without an intrinsics file.
PUBLISHED_INTRINSICS = (585.0, 585.0, 320.0, 240.0)
_PARTS = (".color.png", ".color.jpg", ".color.jpeg", ".depth.png", ".pose.txt")


class SevenScenes:
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
        self, folder: Path | str, intrinsics: Any = None, up: Any = "gravity", depth_scale: float = 1000.0
    ) -> None:
        self.folder = existing_folder(folder)
        self.name = self.folder.resolve().name
        self._up = check_up(up, WORLD_UP)
        self._depth_scale = depth_scale
        self._stems = _list_stems(self.folder)
        if not self._stems:
            raise FrameError(
                f"{self.folder}: no frames of 7-Scenes here: expected frame-NNNNNN.color.png (or .jpg), "
                ".depth.png and .pose.txt, or folders seq-NN of them"
            )
        self._intrinsics = _find_intrinsics(self.folder) if intrinsics is None else as_intrinsics(intrinsics)

    def __len__(self) -> int:
        return len(self._stems)

    def __getitem__(self, index: int) -> RGBDFrame:
        stem = self._stems[index]
        return RGBDFrame(
            color=read_color(self.color_file(index)),
            depth=self._depth(index),
            intrinsics=self._intrinsics.copy(),
            pose=aligned(self.alignment, self._stored_pose(index)),
            name=f"{self.name}/{stem}",
        )

    def color_file(self, index: int) -> Path:
        """Where a frame's colour is stored."""
        return find_color(self.folder, f"{self._stems[index]}.color")

    @cached_property
    def alignment(self) -> Matrix:
        """The (4, 4) transform from the stored world to the z-up world that poses lead to."""
        return world_to_z_up(self._up, self._stored_pose, self._view, len(self), self.name)

    def _stored_pose(self, index: int) -> Matrix:
        return read_matrix(self.folder / f"{self._stems[index]}.pose.txt", 4, "pose")

    def _view(self, index: int) -> DepthView:
        return self._depth(index), self._intrinsics

    def _depth(self, index: int) -> np.ndarray:
        return read_depth(self.folder / f"{self._stems[index]}.depth.png", self._depth_scale)


def _list_stems(folder: Path) -> list[str]:
    stems = set()
    for path in [*folder.glob("frame-*"), *folder.glob("seq-*/frame-*")]:
        part = next((part for part in _PARTS if path.name.endswith(part)), None)
        if part is not None:
            stems.add(path.relative_to(folder).as_posix().removesuffix(part))
    return sorted(stems, key=natural_key)


def _find_intrinsics(folder: Path) -> Matrix:
    wanted = folder / "camera-intrinsics.txt"
    above = folder.resolve().parent / wanted.name
    if not wanted.exists() and above.exists():
        return read_intrinsics(above)
    if not wanted.exists():
        raise FrameError(
            f"{wanted}: this intrinsics file is missing: write the 3×3 matrix there, or give "
            "intrinsics=(fx, fy, cx, cy); the data set's page states 585, 585, 320, 240"
        )
    return read_intrinsics(wanted)

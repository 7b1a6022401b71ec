"""Open3D's folder of a sequence: ``image/`` (or ``color/``), ``depth/``, ``trajectory.log``."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ppkt_zoo.data.alignment import WORLD_UP, DepthView, Matrix, aligned, check_up, world_to_z_up
from ppkt_zoo.data.cameras import as_intrinsics, pinhole, read_intrinsics, read_trajectory
from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.data.images import read_color, read_depth
from ppkt_zoo.data.listing import existing_folder, natural_key
from ppkt_zoo.errors import FrameError

# Open3D's PinholeCameraIntrinsicParameters.PrimeSenseDefault, which its samples are to be read with.
PRIMESENSE_INTRINSICS = (525.0, 525.0, 319.5, 239.5)
_COLOR_FOLDERS = ("image", "color", "rgb")
_COLOR_SUFFIXES = (".jpg", ".jpeg", ".png")
_CAMERA_FILES = ("camera.json", "camera_primesense.json", "intrinsic.json", "camera-intrinsics.txt")


class Open3DFolder:
    """The frames of one sequence; the k-th pose of ``trajectory.log`` belongs to the k-th image.

    Colour and depth are paired by the first number in their names, so ``00003.jpg`` goes with
    ``00003.png`` and ``3-100.jpg`` with ``3-133.png``.

    Args:
        folder: holds ``image/`` or ``color/``, ``depth/`` and ``trajectory.log``.
        intrinsics: (3, 3) or (fx, fy, cx, cy); by default ``camera.json`` of the folder, and where there
            is none, Open3D's PrimeSense default 525, 525, 319.5, 239.5 (for images of 640×480 only).
        up: how the world is turned to z up: ``"gravity"`` (from depth normals), ``"camera-y"`` (mean up of
            the cameras), ``"world-z"`` (poses as stored), or the up direction in the stored world.
        depth_scale: stored units in a metre.

    Raises:
        FrameError: a folder or ``trajectory.log`` is missing or does not fit the images; frames are checked
            when they are read.
    """

    def __init__(
        self, folder: Path | str, intrinsics: Any = None, up: Any = "gravity", depth_scale: float = 1000.0
    ) -> None:
        self.folder = existing_folder(folder)
        self.name = self.folder.resolve().name
        self._up = check_up(up, WORLD_UP)
        self._depth_scale = depth_scale
        color_folder = next((self.folder / n for n in _COLOR_FOLDERS if (self.folder / n).is_dir()), None)
        if color_folder is None:
            raise FrameError(f"{self.folder / 'image'}: this folder of colour images is missing (color/ would do too)")
        self._color = _by_number(color_folder, _COLOR_SUFFIXES)
        self._depth_files = _by_number(existing_folder(self.folder / "depth"), (".png",))
        self._keys = sorted({*self._color, *self._depth_files}, key=natural_key)
        if not self._keys:
            raise FrameError(f"{self.folder}: no images in {color_folder.name}/ nor in depth/")
        self._color_folder = color_folder
        self._poses = read_trajectory(self.folder / "trajectory.log")
        if len(self._poses) != len(self._keys):
            raise FrameError(
                f"{self.folder / 'trajectory.log'}: {len(self._poses)} poses for {len(self._keys)} frames: "
                "the file is cut short, or images were added or removed"
            )
        camera = next((self.folder / n for n in _CAMERA_FILES if (self.folder / n).exists()), None)
        self._default_camera = intrinsics is None and camera is None
        if intrinsics is not None:
            self._intrinsics = as_intrinsics(intrinsics)
        else:
            self._intrinsics = pinhole(*PRIMESENSE_INTRINSICS) if camera is None else read_intrinsics(camera)

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, index: int) -> RGBDFrame:
        key = self._keys[index]
        return RGBDFrame(
            color=read_color(self._color.get(key, self._color_folder / f"{key}.jpg")),
            depth=self._depth(index),
            intrinsics=self._intrinsics.copy(),
            pose=aligned(self.alignment, self._poses[index]),
            name=f"{self.name}/{key}",
        )

    @cached_property
    def alignment(self) -> Matrix:
        """The (4, 4) transform from the stored world to the z-up world that poses lead to."""
        return world_to_z_up(self._up, self._poses.__getitem__, self._view, len(self), self.name)

    def _view(self, index: int) -> DepthView:
        return self._depth(index), self._intrinsics

    def _depth(self, index: int) -> np.ndarray:
        key = self._keys[index]
        path = self._depth_files.get(key, self.folder / "depth" / f"{key}.png")
        depth = read_depth(path, self._depth_scale)
        if self._default_camera and depth.shape != (480, 640):
            raise FrameError(
                f"{path}: this image is {depth.shape[1]}×{depth.shape[0]}, but the default intrinsics are for 640×480: "
                f"write {self.folder / 'camera.json'} or give intrinsics=(fx, fy, cx, cy)"
            )
        return depth


def _by_number(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Images of a folder by the first number in their names (the whole stem where it begins with none)."""
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in suffixes:
            continue
        lead = path.stem.split("-")[0]
        key = lead if lead.isdigit() else path.stem
        if key in files:
            raise FrameError(f"{path} and {files[key].name} are both frame {key}: keep one of them")
        files[key] = path
    return files

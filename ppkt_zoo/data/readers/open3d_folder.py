"""Folders of Open3D's and Redwood's: ``image/`` (or ``color/``, ``rgb/``), ``depth/``, ``trajectory.log``."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.gravity import FRAME_UP, WORLD_UP, Matrix, Up, check_up
from ppkt_zoo.data.readers.cameras import Intrinsics, find_camera, given_camera, read_checked_camera
from ppkt_zoo.data.readers.images import read_color, read_depth
from ppkt_zoo.data.readers.posed import PosedFolder
from ppkt_zoo.data.readers.timestamps import associate
from ppkt_zoo.data.readers.trajectory import poses_of_images, read_pose_log
from ppkt_zoo.data.subset import check_name, entries, existing_folder, natural_key
from ppkt_zoo.errors import FrameError

_COLOR_FOLDERS = ("image", "color", "colors", "rgb")
_COLOR_SUFFIXES = (".jpg", ".jpeg", ".png")
# Redwood's augmented ICL-NUIM rooms are downloaded part by part: NAME-color/, NAME-depth-clean/, NAME-traj.txt.
_COLOR_END, _DEPTH_ENDS, _TRAJECTORY_END = "-color", ("-depth-clean", "-depth-simulated"), "-traj.txt"
# Colour and depth run at 30 Hz: of one instant are images at most this many seconds apart.
_SAME_INSTANT = 0.02
# Open3D's PinholeCameraIntrinsicParameters.PrimeSenseDefault, which its samples are to be read with.
PRIMESENSE_INTRINSICS = (525.0, 525.0, 319.5, 239.5)
_CAMERA_FILES = ("camera.json", "camera_primesense.json", "intrinsic.json", "camera-intrinsics.txt")


def find_color(folder: Path) -> Path:
    """The folder of colour images; raises FrameError where there is none, or several of Redwood's."""
    named = next((folder / name for name in _COLOR_FOLDERS if (folder / name).is_dir()), None)
    found = [named] if named else _ending(folder, (_COLOR_END,))
    if not found:
        raise FrameError(f"{folder / 'image'}: this folder of colour images is missing (color/ would do too)")
    return _one(found, "folders of colour images")


def find_depth(folder: Path) -> Path:
    """The folder of depth images: ``depth/``, or Redwood's clean depth, or its simulated depth."""
    if (folder / "depth").is_dir():
        return folder / "depth"
    found = next((places for end in _DEPTH_ENDS if (places := _ending(folder, (end,)))), [])
    return _one(found, "folders of depth images") if found else folder / "depth"


def find_trajectory(folder: Path) -> Path:
    """``trajectory.log``, else the one ``NAME.log`` or ``NAME-traj.txt`` (FrameError: several), else the first name."""
    usual = folder / "trajectory.log"
    if usual.exists():
        return usual
    found = [path for path in entries(folder) if path.name.endswith((".log", _TRAJECTORY_END)) and not path.is_dir()]
    return _one(found, "trajectories") if found else usual


def is_open3d(folder: Path) -> bool:
    """Whether this is a folder of Open3D's or Redwood's."""
    return (
        (folder / "trajectory.log").exists()
        or (folder / "depth").is_dir()
        or bool(_ending(folder, (_COLOR_END,)) and _ending(folder, _DEPTH_ENDS))
    )


def stamped(files: dict[str, Path]) -> bool:
    """Whether all names are Redwood's, a number and microseconds: ``0000003-000000066741.jpg``."""
    return bool(files) and all(_microseconds(path) is not None for path in files.values())


def pair(color: dict[str, Path], depth: dict[str, Path]) -> list[tuple[str, str]]:
    """The colour and the depth image of each frame, by their keys.

    Where all names have time stamps, the nearest at most 0.02 s apart belong together, each used at most once, and
    what finds no partner is left out: the two streams drop frames, each its own. Elsewhere equal numbers belong
    together, and a missing partner is a frame that cannot be read.
    """
    if not (stamped(color) and stamped(depth)):
        return [(key, key) for key in sorted({*color, *depth}, key=natural_key)]
    keys, others = sorted(color, key=natural_key), sorted(depth, key=natural_key)
    times, late = (
        [(_microseconds(files[key]) or 0) / 1e6 for key in names] for files, names in ((color, keys), (depth, others))
    )
    return [(keys[one], others[two]) for one, two in associate(times, late, _SAME_INSTANT)]


def _microseconds(path: Path) -> int | None:
    number, _, time = path.stem.partition("-")
    return int(time) if number.isdecimal() and time.isdecimal() else None


def _by_number(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Images of a folder by the first number in their names (the whole stem where it begins with none)."""
    files: dict[str, Path] = {}
    for path in entries(folder):
        if path.suffix.lower() not in suffixes:
            continue
        check_name(path)
        lead = path.stem.split("-")[0]
        key = lead if lead.isdecimal() else path.stem
        if key in files:
            raise FrameError(f"{path} and {files[key].name} are both frame {key}: keep one of them")
        files[key] = path
    return files


def _ending(folder: Path, ends: tuple[str, ...]) -> list[Path]:
    return [path for path in entries(folder) if path.is_dir() and path.name.endswith(ends)]


def _one(found: list[Path], what: str) -> Path:
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise FrameError(f"{found[0].parent}: several {what} ({names}): give each sequence a folder of its own")
    return found[0]


class Open3DFolder(PosedFolder):
    """The frames of one sequence.

    A pose belongs to the image whose number is the frame id before it (what else is in use is told by
    :func:`ppkt_zoo.data.readers.trajectory.poses_of_images`). Where an image has no pose, tracking was lost: it is no
    frame, and ``skipped`` names it.

    Colour and depth are paired by the first number in their names, so ``00003.jpg`` goes with ``00003.png``. Where
    all names have Redwood's time stamps (``0000003-000000066741.jpg``), the nearest in time belong together, at most
    0.02 s apart, and ``unmatched`` counts the images of either kind that found no partner.

    Redwood's object scans (``rgb/`` and ``depth/`` with time stamps) come without a trajectory: there each frame gets
    a pose of its own that turns it upright, as in PlainFrames.

    Args:
        folder: holds ``image/`` (or ``color/``, ``colors/``, ``rgb/``, ``NAME-color/``), ``depth/`` (or
            ``NAME-depth-clean/``, ``NAME-depth-simulated/``) and ``trajectory.log`` (or ``NAME.log``,
            ``NAME-traj.txt``).
        intrinsics: (3, 3) or (fx, fy, cx, cy); by default ``camera.json`` of the folder, and where there
            is none, Open3D's PrimeSense default 525, 525, 319.5, 239.5 (for images of 640×480 only).
        up: how the world is turned to z up: ``"gravity"`` (from depth normals), ``"camera-y"`` (mean up of
            the cameras), ``"world-z"`` (poses as stored), or the up direction in the stored world. For frames
            without poses as in PlainFrames.
        depth_scale: stored units in a metre.

    Raises:
        FrameError: a folder or the trajectory is missing or does not fit the images, or more than half of the images
            have no pose; frames are checked when they are read.
    """

    def __init__(
        self, folder: Path | str, intrinsics: Intrinsics | None = None, up: Up = "gravity", depth_scale: float = 1000.0
    ) -> None:
        super().__init__(folder, depth_scale)
        self._color_folder = find_color(self.folder)
        self._depth_folder = existing_folder(find_depth(self.folder))
        self._color_files = _by_number(self._color_folder, _COLOR_SUFFIXES)
        self._depth_files = _by_number(self._depth_folder, (".png",))
        self._pairs = pair(self._color_files, self._depth_files)
        if not self._pairs:
            places = f"{self._color_folder.name}/ nor in {self._depth_folder.name}/"
            raise FrameError(f"{self.folder}: no images in {places} that go together")
        self.unmatched = {
            "color": len(self._color_files.keys() - {color for color, _ in self._pairs}),
            "depth": len(self._depth_files.keys() - {depth for _, depth in self._pairs}),
        }
        self.skipped: tuple[str, ...] = ()
        self._poses = self._read_poses()
        self._posed = self._poses is not None
        self._up = check_up(up, WORLD_UP if self._posed else FRAME_UP)
        camera = find_camera(self.folder, first=_CAMERA_FILES)
        self._default_camera = intrinsics is None and camera is None
        if intrinsics is not None or camera is None:
            self._camera = given_camera(PRIMESENSE_INTRINSICS if intrinsics is None else intrinsics)
        else:
            self._camera = read_checked_camera(camera)

    def __len__(self) -> int:
        return len(self._pairs)

    def color_file(self, index: int) -> Path:
        """Where a frame's colour is stored."""
        key = self._pairs[index][0]
        return self._color_files.get(key, self._color_folder / f"{key}.jpg")

    def _read_poses(self) -> list[Matrix] | None:
        """The pose of each frame; None for an object scan of Redwood's, which has no trajectory."""
        path = find_trajectory(self.folder)
        if not path.exists() and stamped(self._color_files) and stamped(self._depth_files):
            return None
        poses = read_pose_log(path)
        # Redwood numbers the images of each stream from 1 on, and the trajectory goes with the depth images.
        names = sorted({*self._depth_files, *(depth for _, depth in self._pairs)}, key=natural_key)
        stored = poses_of_images(poses, names, path, from_one=stamped(self._color_files) and stamped(self._depth_files))
        lost = [one for one in self._pairs if one[1] not in stored]
        if 2 * len(lost) > len(self._pairs):
            raise FrameError(
                f"{path}: {len(poses)} poses for {len(names)} frames: {len(lost)} images have none: the file is cut "
                "short, or of another sequence"
            )
        self.skipped = tuple(f"{color}: no pose in {path.name} (tracking was lost)" for color, _ in lost)
        self._pairs = [one for one in self._pairs if one[1] in stored]
        return [stored[depth] for _, depth in self._pairs]

    def _frame_name(self, index: int) -> str:
        return self._pairs[index][0]

    def _color(self, index: int) -> NDArray[np.uint8]:
        return read_color(self.color_file(index))

    def _stored_pose(self, index: int) -> Matrix:
        assert self._poses is not None
        return self._poses[index]

    def _depth(self, index: int) -> NDArray[np.float32]:
        key = self._pairs[index][1]
        path = self._depth_files.get(key, self._depth_folder / f"{key}.png")
        depth = read_depth(path, self._depth_scale)
        if self._default_camera and depth.shape != (480, 640):
            raise FrameError(
                f"{path}: this image is {depth.shape[1]}×{depth.shape[0]}, but the default intrinsics are for 640×480: "
                f"write {self.folder / 'camera.json'} or give intrinsics=(fx, fy, cx, cy) (--intrinsics in commands)"
            )
        return depth

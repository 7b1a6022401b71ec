"""TUM RGB-D (Sturm et al., IROS 2012): Kinect and Xtion sequences with poses from motion capture."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.gravity import WORLD_UP, Matrix, Up, check_up
from ppkt_zoo.data.readers.cameras import Intrinsics, given_camera, pinhole
from ppkt_zoo.data.readers.images import read_color, read_depth
from ppkt_zoo.data.readers.number_text import numbers_of, read_text
from ppkt_zoo.data.readers.posed import PosedFolder
from ppkt_zoo.data.readers.timestamps import TimedPoses, pair_images, quaternion_rotation, timed_poses
from ppkt_zoo.errors import FrameError
from ppkt_zoo.files.targets import below

# The colour cameras' calibration from the data set's page (fx, fy, cx, cy at 640×480), by robot or hand-held
# recording; freiburg3 is undistorted already, the distortion of the other two is left in the images.
PUBLISHED_INTRINSICS = {
    "freiburg1": (517.3, 516.5, 318.6, 255.3),
    "freiburg2": (520.9, 521.0, 325.1, 249.7),
    "freiburg3": (535.4, 539.2, 320.1, 247.6),
}
DEPTH_SCALE = 5000.0
_TOLERANCE = 0.02
# Motion capture gives a pose each 0.01 s; over a longer pause than this nothing is put in between.
_LONGEST_GAP = 0.1


class TumRGBD(PosedFolder):
    """The frames of one sequence as downloaded: ``rgb.txt``, ``depth.txt``, ``groundtruth.txt`` and their images.

    Colour and depth are paired by the nearest time stamps, at most 0.02 s apart, each used at most once. The pose
    is the one at the time of the depth image, interpolated between the poses before and after (which must be at
    most 0.1 s apart). ``unmatched`` counts what was left out: colour images without depth, depth images without
    colour, and pairs without a pose.

    Args:
        folder: the sequence's folder, such as ``rgbd_dataset_freiburg1_desk``.
        intrinsics: (3, 3) or (fx, fy, cx, cy); by default the published ones of freiburg1, 2 or 3, as the
            folder's name (or the name of the folder above) says.
        up: how the world is turned to z up: ``"gravity"`` (from depth normals), ``"camera-y"`` (mean up of
            the cameras), ``"world-z"`` (poses as stored), or the up direction in the stored world.
        depth_scale: stored units in a metre.

    Raises:
        FrameError: a file is missing or damaged, no images pair up, or no intrinsics are known; images are
            checked when they are read.
    """

    def __init__(
        self,
        folder: Path | str,
        intrinsics: Intrinsics | None = None,
        up: Up = "gravity",
        depth_scale: float = DEPTH_SCALE,
    ) -> None:
        super().__init__(folder, depth_scale)
        self._up = check_up(up, WORLD_UP)
        color_times, self._color_files = _read_list(self.folder / "rgb.txt")
        self._depth_times, self._depth_files = _read_list(self.folder / "depth.txt")
        self._trajectory = _read_poses(self.folder / "groundtruth.txt")
        self._pairs, self.unmatched = pair_images(
            color_times, self._depth_times, _TOLERANCE, lambda time: self._trajectory.covers(time, _LONGEST_GAP)
        )
        if not self._pairs:
            raise FrameError(
                f"{self.folder}: no colour image of rgb.txt ({len(color_times)}) has a depth image of depth.txt "
                f"({len(self._depth_times)}) within {_TOLERANCE} s and poses of groundtruth.txt around it: "
                "are these files of one sequence?"
            )
        self._camera = given_camera(_find_intrinsics(self.folder) if intrinsics is None else intrinsics)

    def __len__(self) -> int:
        return len(self._pairs)

    def _frame_name(self, index: int) -> str:
        return Path(self._color_files[self._pairs[index][0]]).stem

    def _color(self, index: int) -> NDArray[np.uint8]:
        return read_color(self.folder / self._color_files[self._pairs[index][0]])

    def _stored_pose(self, index: int) -> Matrix:
        return self._trajectory.at(float(self._depth_times[self._pairs[index][1]]))

    def _depth(self, index: int) -> NDArray[np.float32]:
        return read_depth(self.folder / self._depth_files[self._pairs[index][1]], self._depth_scale)


def _read_list(path: Path) -> tuple[np.ndarray, list[str]]:
    """Stamps in seconds (N,) and image files of a list; a line is a stamp and a path, ``#`` begins a comment."""
    stamps, files = [], []
    for number, words in _lines(path, "list of images"):
        try:
            stamp, file = words
            stamps.append(float(numbers_of([stamp], str(path))[0]))
        except ValueError:
            raise FrameError(
                f"{path}, line {number}: expected a time stamp and an image file, got {_shown(words)}: "
                "it is cut short or damaged"
            ) from None
        below(path.parent, file, FrameError, f"{path}, line {number}")
        files.append(file)
    if not stamps or not np.isfinite(stamps).all():
        raise FrameError(f"{path}: this list of images is empty, or a time stamp in it is no finite number")
    return np.array(stamps), files


def _read_poses(path: Path) -> TimedPoses:
    """``stamp tx ty tz qx qy qz qw`` a line: the colour camera's place and rotation in the world."""
    stamps, poses = [], []
    for number, words in _lines(path, "trajectory"):
        try:
            values = numbers_of(words, str(path))
            if values.shape != (8,) or not np.isfinite(values[0]):
                raise ValueError("not a stamp and seven numbers")
            pose = np.eye(4)
            # A quaternion of zeros is how trackers write that they lost the camera, as NaN is.
            lost = not values[4:].any() or not np.isfinite(values).all()
            pose[:3, :3] = np.nan if lost else quaternion_rotation(values[4:])
            pose[:3, 3] = values[1:4]
        except ValueError as error:
            raise FrameError(
                f"{path}, line {number}: expected stamp tx ty tz qx qy qz qw, got {_shown(words)} ({error})"
            ) from None
        stamps.append(values[0])
        poses.append(pose)
    if not stamps:
        raise FrameError(f"{path}: this trajectory holds no poses")
    return timed_poses(stamps, poses)


def _lines(path: Path, what: str) -> list[tuple[int, list[str]]]:
    lines = enumerate(read_text(path, what).splitlines(), start=1)
    return [(number, line.split()) for number, line in lines if line.strip() and not line.lstrip().startswith("#")]


def _shown(words: list[str]) -> str:
    return repr(" ".join(words)[:120])


def _find_intrinsics(folder: Path) -> Matrix:
    place = folder.resolve()
    for name in (place.name, place.parent.name):
        found = re.search(r"freiburg[123]|(?<![a-z])fr([123])(?!\d)", name.lower())
        if found:
            key = f"freiburg{found.group(1)}" if found.group(1) else found.group(0)
            return pinhole(*PUBLISHED_INTRINSICS[key])
    raise FrameError(
        f"{folder}: whether this is freiburg1, freiburg2 or freiburg3 is not in the folder's name, so its intrinsics "
        "are not known: name the folder as downloaded, or give intrinsics=(fx, fy, cx, cy) (--intrinsics in commands)"
    )

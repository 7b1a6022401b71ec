"""ARKitScenes (Baruch et al., NeurIPS 2021): iPad scans with LiDAR depth, poses and oriented boxes."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from ppkt_zoo.data.frames import RGBDFrame, turned_hint
from ppkt_zoo.data.gravity import Matrix, Up, check_up
from ppkt_zoo.data.readers.box_files import Boxes, NamedBox, boxes_in, gather
from ppkt_zoo.data.readers.cameras import Intrinsics, as_intrinsics, check_intrinsics, pinhole, read_numbers
from ppkt_zoo.data.readers.images import check_depth_scale, read_color, read_depth
from ppkt_zoo.data.readers.number_text import numbers_of, read_text
from ppkt_zoo.data.readers.timestamps import TimedPoses, pair_images, rotation_of, timed_poses
from ppkt_zoo.data.subset import check_name, entries, existing_folder
from ppkt_zoo.errors import FrameError

# The classes of the data set's detection task, in the order of its toolbox.
BOX_CLASSES = (
    "cabinet", "refrigerator", "shelf", "stove", "bed", "sink", "washer", "toilet", "bathtub", "oven", "dishwasher",
    "fireplace", "stool", "chair", "table", "tv_monitor", "sofa",
)  # fmt: skip
_INDEX = {name: number for number, name in enumerate(BOX_CLASSES)}
# Names of one instant are rounded to milliseconds, each in its own way.
_SAME_INSTANT = 0.005
# The trajectory has ten poses a second; over a longer pause than this nothing is put in between.
_LONGEST_GAP = 0.25
# No piece of furniture is longer (metres).
_LONGEST_EDGE = 30.0


class ARKitScenes:
    """The frames of one scan: ``lowres_wide/``, ``lowres_depth/``, ``lowres_wide_intrinsics/``, ``lowres_wide.traj``.

    Colour, depth (both 256×192 and registered) and intrinsics are paired by the time stamps in their names. The pose
    is the one at the time of the depth image, interpolated between the poses before and after where none stands
    within 5 ms. ``unmatched`` counts what was left out: colour images without depth, depth images without colour,
    and pairs without a pose.

    Args:
        folder: a scan of ``3dod`` (with ``ID_frames/`` in it), one of ``raw``, or ``ID_frames`` itself.
        intrinsics: (3, 3) or (fx, fy, cx, cy) for all frames; by default each frame's ``.pincam``.
        up: ``"gravity"`` or ``"world-z"``, which are the same here: ARKit's world stands upright by the device's own
            sensors, and the data set has it with z up.
        depth_scale: stored units in a metre.

    Raises:
        FrameError: a folder or the trajectory is missing or damaged, or nothing pairs up; images and intrinsics are
            checked when they are read.
    """

    box_classes = BOX_CLASSES

    def __init__(
        self, folder: Path | str, intrinsics: Intrinsics | None = None, up: Up = "gravity", depth_scale: float = 1000.0
    ) -> None:
        self.folder = existing_folder(folder)
        self.name = self.folder.resolve().name
        check_up(up if isinstance(up, str) else repr(up), ("gravity", "world-z"))
        check_depth_scale(depth_scale)
        self._depth_scale = depth_scale
        self._frames_folder = _frames_folder(self.folder)
        colors = _by_time(self._frames_folder / "lowres_wide", ".png")
        depths = _by_time(self._frames_folder / "lowres_depth", ".png")
        self._cameras = (
            {} if intrinsics is not None else _by_time(self._frames_folder / "lowres_wide_intrinsics", ".pincam")
        )
        self._trajectory = _read_trajectory(self._frames_folder / "lowres_wide.traj")
        self._intrinsics = None if intrinsics is None else as_intrinsics(intrinsics)
        color_times, depth_times = sorted(colors), sorted(depths)
        kept, self.unmatched = pair_images(
            color_times, depth_times, _SAME_INSTANT, lambda time: self._pose_time(time) is not None
        )
        if not kept:
            raise FrameError(
                f"{self._frames_folder}: none of {len(colors)} images in lowres_wide/ has a depth image of "
                f"lowres_depth/ ({len(depths)}) of the same time and poses of lowres_wide.traj around it: "
                "are these files of one scan?"
            )
        self._times = [depth_times[depth] for _, depth in kept]
        self._color_files = [colors[color_times[color]] for color, _ in kept]
        self._depth_files = [depths[time] for time in self._times]

    def __len__(self) -> int:
        return len(self._times)

    def __getitem__(self, index: int) -> RGBDFrame:
        color = read_color(self._color_files[index])
        time = self._pose_time(self._times[index])
        assert time is not None
        return RGBDFrame(
            color=color,
            depth=read_depth(self._depth_files[index], self._depth_scale),
            intrinsics=self._read_intrinsics(index, color.shape),
            pose=self._trajectory.at(time),
            name=f"{self.name}/{self._color_files[index].stem}",
        )

    def boxes(self) -> Boxes:
        """The labelled boxes of the whole scan, in the world that poses lead to (``ID_3dod_annotation.json``).

        Only the classes of ``box_classes`` are given; ``others`` counts the rest.

        Raises:
            FrameError: the file is missing or damaged.
        """
        return _read_boxes(_annotation(self.folder, self._frames_folder))

    def _pose_time(self, time: float) -> float | None:
        """The time to ask the trajectory for: that of a pose of the same instant, else the image's own."""
        stamps = self._trajectory.stamps
        after = int(np.searchsorted(stamps, time))
        nearest = min(map(float, stamps[max(after - 1, 0) : after + 1]), key=lambda stamp: abs(stamp - time))
        if abs(nearest - time) <= _SAME_INSTANT:
            return nearest
        return time if self._trajectory.covers(time, _LONGEST_GAP) else None

    def _read_intrinsics(self, index: int, shape: tuple[int, ...]) -> Matrix:
        if self._intrinsics is not None:
            return self._intrinsics.copy()
        time = self._times[index]
        nearest = min(self._cameras, key=lambda stamp: abs(stamp - time), default=np.inf)
        if abs(nearest - time) > _SAME_INSTANT:
            missing = self._frames_folder / "lowres_wide_intrinsics" / f"{self._depth_files[index].stem}.pincam"
            raise FrameError(f"{missing}: this intrinsics file is missing (and none is within {_SAME_INSTANT} s)")
        path = self._cameras[nearest]
        numbers = read_numbers(path, "intrinsics file")
        if len(numbers) != 6:
            raise FrameError(
                f"{path}: this intrinsics file should hold width, height, fx, fy, cx, cy but holds {len(numbers)} "
                "numbers: it is cut short"
            )
        if (numbers[1], numbers[0]) != shape[:2]:
            raise FrameError(
                f"{path}: these intrinsics are for images of {numbers[0]:g}×{numbers[1]:g}, "
                f"this one is {shape[1]}×{shape[0]}{turned_hint((numbers[1], numbers[0]), shape[:2])}"
            )
        return check_intrinsics(pinhole(*numbers[2:]), str(path))


def is_arkit_scan(folder: Path) -> bool:
    """Whether this is a scan of ARKitScenes, or the folder of its frames."""
    return any((place / "lowres_wide.traj").exists() or (place / "lowres_wide").is_dir() for place in _places(folder))


def _places(folder: Path) -> list[Path]:
    return [folder, folder / f"{folder.resolve().name}_frames"]


def _frames_folder(folder: Path) -> Path:
    return next((place for place in _places(folder) if (place / "lowres_wide").is_dir()), folder)


def _by_time(folder: Path, suffix: str) -> dict[float, Path]:
    """Files by the seconds in their names, ``ID_SECONDS.png``."""
    files: dict[float, Path] = {}
    for path in entries(existing_folder(folder)):
        if path.suffix != suffix:
            continue
        check_name(path)
        try:
            (stamp,) = numbers_of([path.stem.rpartition("_")[2]], str(path))
            if not np.isfinite(stamp):
                raise ValueError("not finite")
        except ValueError:
            raise FrameError(
                f"{path}: expected a name with a time stamp in seconds, such as 41069021_305.374.png"
            ) from None
        if float(stamp) in files:
            raise FrameError(f"{path} and {files[float(stamp)].name} are of one instant: keep one of them")
        files[float(stamp)] = path
    if not files:
        raise FrameError(f"{folder}: no {suffix} files in this folder: unpack the scan again")
    return files


def _read_trajectory(path: Path) -> TimedPoses:
    """Seconds, axis-angle and translation a line, world → camera; turned round here to camera → world."""
    stamps, poses = [], []
    for number, line in enumerate(read_text(path, "trajectory").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            values = numbers_of(line.split(), str(path))
        except FrameError:
            values = np.empty(0)
        if values.shape != (7,) or not np.isfinite(values[0]):
            raise FrameError(
                f"{path}, line {number}: expected a time stamp, an axis-angle and a translation (7 numbers), "
                f"got {line[:120]!r}: it is cut short or damaged"
            )
        pose = np.eye(4)
        # Without finite numbers it stays NaN: tracking was lost.
        if np.isfinite(values).all():
            pose[:3, :3] = rotation_of(values[1:4]).T
            pose[:3, 3] = -pose[:3, :3] @ values[4:]
        else:
            pose[:3] = np.nan
        stamps.append(values[0])
        poses.append(pose)
    if not stamps:
        raise FrameError(f"{path}: this trajectory holds no poses")
    return timed_poses(stamps, poses)


def _annotation(folder: Path, frames: Path) -> Path:
    for place in (folder, frames, frames.resolve().parent):
        found = [path for path in entries(place) if path.name.endswith("_3dod_annotation.json")]
        if found:
            return found[0]
    return folder / f"{folder.resolve().name.removesuffix('_frames')}_3dod_annotation.json"


def _read_boxes(path: Path) -> Boxes:
    found = boxes_in(path, "data", _box)
    longest = max((max(box[3:6]) for _, box in found), default=0.0)
    if longest > _LONGEST_EDGE:
        raise FrameError(f"{path}: a box is {longest:g} m long: this file is in other units than metres")
    return gather(found, _INDEX)


def _box(thing: dict[str, Any]) -> NamedBox:
    """Class; centre, full size, heading; the rows of ``normalizedAxes`` are the box's axes, one of them vertical."""
    name, stored = re.sub("[ /-]", "_", thing["label"]), thing["segments"]["obbAligned"]
    axes = np.asarray(stored["normalizedAxes"], dtype=np.float64).reshape(3, 3)
    size = np.asarray(stored["axesLengths"], dtype=np.float64).reshape(3)
    centre = np.asarray(stored["centroid"], dtype=np.float64).reshape(3)
    vertical = int(np.abs(axes[:, 2]).argmax())
    along, across = (number for number in range(3) if number != vertical)
    heading = np.arctan2(axes[along, 1], axes[along, 0])
    box = [*centre, size[along], size[across], size[vertical], heading]
    if not np.isfinite(box).all():
        raise ValueError("a box is not finite")
    return name, [float(number) for number in box]

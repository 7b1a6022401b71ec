"""SUN RGB-D (Song et al., CVPR 2015): 10335 single frames of four sensors, with tilt and oriented boxes."""

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np

from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.data.gravity import Matrix, Up, check_up
from ppkt_zoo.data.readers.box_files import Boxes
from ppkt_zoo.data.readers.cameras import Intrinsics, as_intrinsics, check_intrinsics, read_matrix, read_numbers
from ppkt_zoo.data.readers.images import check_depth_scale, read_color, read_stored, to_metres
from ppkt_zoo.data.readers.sun_boxes import BOX_CLASSES, boxes_from_json, boxes_from_meta, find_meta
from ppkt_zoo.data.scenes import FrameScenes, LabelledScene
from ppkt_zoo.data.subset import check_name, entries, existing_folder, natural_key
from ppkt_zoo.errors import FrameError

SENSORS = ("kv1", "kv2", "realsense", "xtion")
DEPTH_FOLDERS = {"bfx": "depth_bfx", "raw": "depth"}
# The toolbox cuts depth off at 8 m; what lies beyond is a hole here, not a wall at 8 m.
_FARTHEST = 8.0
# Camera axes (x right, y down, z forward) to the toolbox's (x right, y forward, z up).
_UPRIGHT = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
_COLOR_SUFFIXES = (".jpg", ".jpeg", ".png")


class SunRGBD:
    """The frames of ``SUNRGBD/`` (or of one sensor's folder, or of one frame's) as downloaded.

    A frame's folder holds ``image/``, ``depth/``, ``depth_bfx/``, ``intrinsics.txt`` and ``extrinsics/``. Depth is
    stored with its 16 bits rotated to the left by three. Every frame has a world of its own: the camera stands in
    its origin and the tilt matrix of ``extrinsics/`` turns it so that z is up and y is ahead.

    Args:
        folder: ``SUNRGBD``, the folder that holds it, or any folder of frames below.
        intrinsics: (3, 3) or (fx, fy, cx, cy) for all frames; by default each frame's ``intrinsics.txt``.
        up: ``"gravity"`` (the data set's own tilt matrix, which the boxes refer to) or ``"none"`` (no pose).
        depth_scale: stored units in a metre, once the bits are back in place.
        depth: ``"bfx"`` (several frames fused and filled by the data set's authors) or ``"raw"``.

    Raises:
        FrameError: no such folder or no frames in it; frames are checked when they are read.
    """

    box_classes = BOX_CLASSES

    def __init__(
        self,
        folder: Path | str,
        intrinsics: Intrinsics | None = None,
        up: Up = "gravity",
        depth_scale: float = 1000.0,
        depth: str = "bfx",
    ) -> None:
        self.folder = existing_folder(folder)
        self.name = self.folder.resolve().name
        if depth not in DEPTH_FOLDERS:
            raise FrameError(f'depth must be "bfx" or "raw", got {depth!r}')
        if isinstance(up, str) and up in ("gravity", "none"):
            self._posed = up == "gravity"
        else:
            check_up(up if isinstance(up, str) else repr(up), ("gravity", "none"))
        check_depth_scale(depth_scale)
        self._depth_folder, self._depth_scale = DEPTH_FOLDERS[depth], depth_scale
        self._intrinsics = None if intrinsics is None else as_intrinsics(intrinsics)
        self._frames = _list_frames(self.folder)
        if not self._frames:
            raise FrameError(
                f"{self.folder}: no frames of SUN RGB-D here: expected folders with image/, {self._depth_folder}/, "
                "intrinsics.txt and extrinsics/, such as SUNRGBD/kv1/NYUdata/NYU0001"
            )

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> RGBDFrame:
        place = self._frames[index]
        return RGBDFrame(
            color=read_color(_only_image(place / "image", _COLOR_SUFFIXES)),
            depth=self._depth(place),
            intrinsics=self._read_intrinsics(place),
            pose=_read_tilt(place / "extrinsics") if self._posed else None,
            name=f"{self.name}/{self.path(index)}".removesuffix("/."),
        )

    def path(self, index: int) -> str:
        """A frame's path below the folder, with forward slashes."""
        return self._frames[index].relative_to(self.folder).as_posix()

    def boxes(self, index: int) -> Boxes:
        """The labelled boxes of a frame, in the world that its pose leads to.

        They come from ``SUNRGBDMeta3DBB_v2.mat`` where it lies in the data set's folder or beside it (the corrected
        boxes that detection is measured with), else from the frame's ``annotation3Dfinal/index.json`` (the first
        version). Only the ten classes of ``box_classes`` are given; ``others`` counts the rest.

        Raises:
            FrameError: a file is missing or damaged.
        """
        place = self._frames[index]
        if self._meta is None:
            return boxes_from_json(place / "annotation3Dfinal" / "index.json")
        key = _key(place)
        if key not in self._meta:
            raise FrameError(f"{self._meta_file}: the frame {key} is not in this file: is {place} one of SUN RGB-D?")
        return self._meta[key]

    @cached_property
    def _meta_file(self) -> Path | None:
        return find_meta(self.folder)

    @cached_property
    def _meta(self) -> dict[str, Boxes] | None:
        return None if self._meta_file is None else boxes_from_meta(self._meta_file)

    def _read_intrinsics(self, place: Path) -> Matrix:
        if self._intrinsics is not None:
            return self._intrinsics.copy()
        path = place / "intrinsics.txt"
        return check_intrinsics(read_matrix(path, 3, "intrinsics file"), str(path))

    def _depth(self, place: Path) -> np.ndarray:
        stored = read_stored(_only_image(place / self._depth_folder, (".png",))).astype(np.int32)
        depth = to_metres(((stored >> 3) | (stored << 13)) & 0xFFFF, self._depth_scale)
        depth[depth > _FARTHEST] = 0.0
        return depth


def is_sun_rgbd(folder: Path) -> bool:
    """Whether this is SUN RGB-D's folder, or one of its parts down to a frame's."""
    # SUN3D's sequences have a frame's files too, but no fused depth.
    if (folder / "SUNRGBD").is_dir() or (_is_frame(folder) and (folder / "depth_bfx").is_dir()):
        return True
    named = any(part in SENSORS for part in folder.resolve().parts) or any((folder / part).is_dir() for part in SENSORS)
    return named and next(_walk(folder), folder) != folder


def _list_frames(folder: Path) -> list[Path]:
    return sorted(_walk(folder), key=lambda path: natural_key(path.as_posix()))


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, _ in os.walk(folder):
        # What macOS lays beside a folder in an archive.
        folders[:] = [name for name in folders if name != "__MACOSX"]
        if _is_frame(Path(place)):
            check_name(Path(place))
            folders.clear()
            yield Path(place)


def _is_frame(folder: Path) -> bool:
    return (folder / "intrinsics.txt").exists() and (folder / "extrinsics").is_dir()


def _only_image(folder: Path, suffixes: tuple[str, ...]) -> Path:
    """The image of a folder that holds one; where there are several the first, where none a name for the error."""
    if not folder.is_dir():
        raise FrameError(f"{folder}: this folder of a frame is missing: unpack SUNRGBD.zip again")
    images = [path for path in entries(folder) if path.suffix.lower() in suffixes]
    if not images:
        raise FrameError(f"{folder}: no image ({' or '.join(suffixes)}) in this folder: unpack SUNRGBD.zip again")
    return images[0]


def _read_tilt(folder: Path) -> Matrix:
    """Camera → world of the tilt matrix: of several files the last by name counts, as in the toolbox."""
    files = [path for path in entries(folder) if path.suffix == ".txt"]
    if not files:
        raise FrameError(f"{folder}: no tilt matrix (.txt) in this folder: unpack SUNRGBD.zip again")
    numbers = read_numbers(files[-1], "tilt matrix")
    if len(numbers) != 12:
        raise FrameError(
            f"{files[-1]}: this tilt matrix should hold 3×4 numbers but holds {len(numbers)}: it is cut short"
        )
    pose = np.eye(4)
    pose[:3, :3] = _UPRIGHT @ numbers.reshape(3, 4)[:, :3]
    return pose


def _key(place: Path) -> str:
    """A frame's path below its sensor's folder, as ``sequenceName`` of the boxes' file gives it."""
    parts = place.resolve().parts
    starts = [number for number, part in enumerate(parts) if part in SENSORS]
    return "/".join(parts[starts[-1] :]) if starts else place.name


class SunScenes(FrameScenes):
    """One scene for each frame of SUN RGB-D: every pixel with depth as a point, boxes of ten classes.

    The boxes have no points of their own in this data set, so ``label`` is −1 everywhere and ``classes`` is empty.

    Args:
        folder: as for :class:`~ppkt_zoo.data.readers.sun_rgbd.SunRGBD`.
        depth: ``"bfx"`` or ``"raw"``, as there.

    Raises:
        FrameError: as there; frames and boxes are checked when a scene is read.
    """

    frames: SunRGBD
    box_classes = SunRGBD.box_classes

    def __init__(self, folder: Path | str, depth: str = "bfx") -> None:
        super().__init__(SunRGBD(folder, depth=depth), classes=())

    def __getitem__(self, index: int) -> LabelledScene:
        """A frame's cloud and boxes."""
        frame, boxes = self.frames[index], self.frames.boxes(index)
        xyz, rgb, _ = frame.points()
        label = np.full(len(xyz), -1, dtype=np.int16)
        found = boxes.boxes, boxes.label
        return LabelledScene(xyz, rgb, label, None, *found, self.classes, self.box_classes, frame.name)

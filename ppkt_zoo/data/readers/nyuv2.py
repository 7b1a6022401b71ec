"""NYU Depth v2 (Silberman et al., ECCV 2012): the 1449 labelled Kinect frames of one file."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.data.gravity import FRAME_UP, Up, check_up, upright_pose
from ppkt_zoo.data.readers.cameras import Intrinsics, as_intrinsics, pinhole
from ppkt_zoo.data.readers.images import check_depth_scale
from ppkt_zoo.errors import FrameError
from ppkt_zoo.files.limits import MAX_PIXELS, memory_named
from ppkt_zoo.files.optional import need
from ppkt_zoo.files.reading import open_regular, usable_path

FILE = "nyu_depth_v2_labeled.mat"
# The colour camera's calibration in the data set's toolbox (camera_params.m): fx, fy, cx, cy at 640×480.
PUBLISHED_INTRINSICS = (518.857901, 519.469611, 325.582449, 253.736166)
# Undistorting colour and projecting depth left a border without data; the toolbox takes these rows and columns
# of 640×480 for valid (get_projection_mask.m, counted from 0 here).
VALID_ROWS, VALID_COLUMNS = slice(44, 471), slice(40, 601)
# What h5py raises on damaged bytes.
_DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, OverflowError, IndexError)
# The file has 894 names of classes.
_MOST_NAMES, _LONGEST_NAME = 100_000, 1000
_FIELDS = {"filled": "depths", "raw": "rawDepths"}

# The classes of the 40-class task (Gupta et al., CVPR 2013) that are one kind of thing. Its other three
# ("otherstructure", "otherfurniture", "otherprop") and the names it merges into these 37 stand in a table that is
# not part of the data set's file.
NAMED_CLASSES = (
    "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture", "counter",
    "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror", "floor mat", "clothes", "ceiling", "books",
    "refridgerator", "television", "paper", "towel", "shower curtain", "box", "whiteboard", "person", "night stand",
    "toilet", "sink", "lamp", "bathtub", "bag",
)  # fmt: skip


class NYUv2:
    """The frames of ``nyu_depth_v2_labeled.mat``.

    ``label`` is the index into ``classes``, the raw names of the file (894 of them), −1 where unlabelled;
    ``instance`` numbers the objects of a frame from 1. The border that the data set's own registration left empty
    has depth 0, label −1 and instance 0. There are no poses: each frame gets one of its own that turns it upright.

    Args:
        path: the file, or the folder that it lies in.
        intrinsics: (3, 3) or (fx, fy, cx, cy); by default the published ones of the colour camera.
        up: ``"gravity"`` (from depth normals), ``"camera-y"`` (the camera is held level), ``"none"`` (no pose), or
            the up direction in the camera's frame.
        depth_scale: stored units in a metre; the file holds metres.
        depth: ``"filled"`` (holes painted in by the data set's authors) or ``"raw"`` (as the Kinect measured it).

    Raises:
        FrameError: the file is missing, cut short or not this file, or h5py is not installed.
    """

    def __init__(
        self,
        path: Path | str,
        intrinsics: Intrinsics | None = None,
        up: Up = "gravity",
        depth_scale: float = 1.0,
        depth: str = "filled",
    ) -> None:
        given = usable_path(path, FrameError, "path of frames")
        self.path = given / FILE if given.is_dir() else given
        self.name = self.path.stem
        if depth not in _FIELDS:
            raise FrameError(f'depth must be "filled" or "raw", got {depth!r}')
        self._up = check_up(up, FRAME_UP)
        check_depth_scale(depth_scale)
        self._depth_scale = depth_scale
        self._depth = _FIELDS[depth]
        self._intrinsics = pinhole(*PUBLISHED_INTRINSICS) if intrinsics is None else as_intrinsics(intrinsics)
        with self._open() as file:
            self._size = self._check(file)
            self.classes = self._read_names(file)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index: int) -> RGBDFrame:
        if not -len(self) <= index < len(self):
            raise IndexError(f"frame {index} of {len(self)}")
        index %= len(self)
        name = f"{self.name}/{index:04d}"
        fields = ("images", self._depth, "labels", "instances")
        damage = self._damage_named(f"frame {index} cannot be read", ": copy the file again")
        with damage, self._open() as file, memory_named(str(self.path), FrameError):
            # MATLAB counts the axes of an array the other way round: these are (3, W, H) and (W, H).
            color, stored, label, instance = (np.asarray(file[field][index]).T for field in fields)
        depth = _within(np.nan_to_num(stored / np.float32(self._depth_scale), posinf=0, neginf=0).astype(np.float32))
        wide = _within(label.astype(np.int32))
        return RGBDFrame(
            color=np.ascontiguousarray(color, dtype=np.uint8),
            depth=depth,
            intrinsics=self._intrinsics.copy(),
            pose=upright_pose(self._up, depth, self._intrinsics, name),
            name=name,
            label=(wide - 1).astype(np.int16),
            instance=_number_objects(wide, _within(instance.astype(np.int32))),
        )

    @cached_property
    def to_named(self) -> np.ndarray:
        """int16 (len(classes),): each raw class's index in ``NAMED_CLASSES``, −1 where it has no name of its own there.

        Only names that are the same in both lists: the full 894 → 40 table is not in the file, and frames labelled by
        this are no substitute for it in a comparison with published figures.
        """
        index = {name: number for number, name in enumerate(NAMED_CLASSES)}
        return np.array([index.get(name, -1) for name in self.classes], dtype=np.int16)

    def _open(self) -> Any:
        h5py = need("h5py", "datasets", f"{self.path}: this file", FrameError)
        # HDF5 opens it by its name, and would wait for a pipe.
        open_regular(self.path, FrameError, missing=f"this file is missing: download {FILE}").close()
        mend = f": copy {FILE} (MATLAB 7.3, about 2.8 GB) again"
        with self._damage_named("this HDF5 file is incomplete or damaged", mend):
            return h5py.File(self.path, "r")

    @contextmanager
    def _damage_named(self, what: str, mend: str = "") -> Iterator[None]:
        try:
            yield
        except FrameError:
            raise
        except _DAMAGE as error:
            raise FrameError(f"{self.path}: {what} ({error}){mend}") from error

    def _check(self, file: Any) -> int:
        wanted = {"images": 4, self._depth: 3, "labels": 3, "instances": 3, "names": 2}
        with self._damage_named("this file is damaged", ": copy it again"):
            missing = [field for field in wanted if not self._is_array(file, field)]
        if missing:
            raise FrameError(f"{self.path}: {', '.join(missing)} missing: this is not {FILE}, or it is damaged")
        frames, _, width, height = shape = file["images"].shape if file["images"].ndim == 4 else (0, 0, 0, 0)
        for field in wanted:
            expected = {"images": (frames, 3, width, height), "names": None}.get(field, (frames, width, height))
            if file[field].ndim != wanted[field] or expected not in (None, file[field].shape):
                raise FrameError(
                    f"{self.path}: {field} has shape {file[field].shape}, which does not fit images {shape}"
                )
        if not frames:
            raise FrameError(f"{self.path}: no frames in this file")
        MAX_PIXELS.check(width * height, f"{self.path}: images of {width}×{height}", FrameError)
        return int(frames)

    def _read_names(self, file: Any) -> tuple[str, ...]:
        """A cell array is a table of references, each to the UTF-16 codes of one text."""
        with self._damage_named("names is no list of class names"):
            if file["names"].size > _MOST_NAMES:
                raise ValueError(f"{file['names'].size} of them")
            return tuple(self._read_name(file[cell]) for cell in np.ravel(file["names"]))

    def _read_name(self, cell: Any) -> str:
        if cell.size > _LONGEST_NAME or cell.dtype.kind not in "iu":
            raise ValueError("one of them is no text")
        return "".join(map(chr, np.ravel(cell)))

    def _is_array(self, file: Any, field: str) -> bool:
        """Whether a field is an array of numbers or references that lies in this very file, and takes what it holds."""
        link = file.get(field, getlink=True)
        if link is None:
            return False
        found = file[field] if type(link).__name__ == "HardLink" else None
        # An array may say that its numbers lie in any other file of this machine.
        if found is None or not hasattr(found, "shape") or found.external or found.is_virtual:
            raise FrameError(f"{self.path}: {field} is no array of this file: this is not {FILE}, or it is damaged")
        if field != "names" and (found.dtype.kind not in "iuf" or found.dtype.itemsize > 8):
            raise FrameError(f"{self.path}: {field} holds no numbers but {found.dtype}: this is not {FILE}")
        return True


def _within(image: np.ndarray) -> np.ndarray:
    """A 640×480 image with 0 in the border; one of another size (cropped already) as it is."""
    if image.shape != (480, 640):
        return np.ascontiguousarray(image)
    inner = np.zeros_like(image, order="C")
    inner[VALID_ROWS, VALID_COLUMNS] = image[VALID_ROWS, VALID_COLUMNS]
    return inner


def _number_objects(label: np.ndarray, instance: np.ndarray) -> np.ndarray:
    """The file counts instances within each class; here they are numbered through, in the order of (class, count)."""
    known = (label > 0) & (instance > 0)
    numbers = np.zeros(label.shape, dtype=np.int32)
    pairs = label[known] * (instance.max(initial=0) + 1) + instance[known]
    numbers[known] = np.unique(pairs, return_inverse=True)[1].reshape(-1) + 1
    return numbers

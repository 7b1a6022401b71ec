"""Oriented boxes of SUN RGB-D, from the file of its second version or from a frame's own annotation."""

import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ppkt_zoo.data.boxes import Boxes, gather
from ppkt_zoo.data.readers.number_text import read_text
from ppkt_zoo.errors import FrameError
from ppkt_zoo.files.limits import MAX_BYTES
from ppkt_zoo.files.optional import need
from ppkt_zoo.files.reading import open_regular
from ppkt_zoo.files.strict_json import parse_json

META = "SUNRGBDMeta3DBB_v2.mat"
# Of MATLAB's format 5: bytes before the first element, and the type of an element that is packed by zlib.
_MAT_HEADER, _MAT_COMPRESSED = 128, 15
_PIECE = 2**20
# The ten classes of VoteNet (Qi et al., ICCV 2019) and of most work on this data set, in VoteNet's order.
BOX_CLASSES = (
    "bed", "table", "sofa", "chair", "toilet", "desk", "dresser", "night_stand", "bookshelf", "bathtub",
)  # fmt: skip
_INDEX = {name: number for number, name in enumerate(BOX_CLASSES)}


def find_meta(folder: Path) -> Path | None:
    """The boxes' file in a folder, in one of the two above, or beside ``SUNRGBD``; None where it is not there."""
    place = folder.resolve()
    for parent in (place, *place.parents[:6]):
        for inner in ("", "SUNRGBDtoolbox/Metadata", "SUNRGBD"):
            if (parent / inner / META).is_file():
                return parent / inner / META
    return None


def boxes_from_meta(path: Path) -> dict[str, Boxes]:
    """The boxes of every frame of ``SUNRGBDMeta3DBB_v2.mat`` by its path below ``SUNRGBD/``.

    Raises:
        FrameError: the file is damaged or another one, or scipy is not installed.
    """
    reader = need("scipy.io", "datasets", f"{path}: this file", FrameError)
    _check_unpacked(path)
    try:
        table = reader.loadmat(path, variable_names=["SUNRGBDMeta"], squeeze_me=True, struct_as_record=False)
        frames = np.atleast_1d(table["SUNRGBDMeta"])
        return {
            _sequence(frame): gather([_meta_box(box) for box in np.atleast_1d(frame.groundtruth3DBB)], _INDEX)
            for frame in frames
        }
    # A damaged file can surprise scipy's parser in many ways; none of them is to be told by its type.
    except Exception as error:  # MemoryError is one of them
        raise FrameError(
            f"{path}: this {META} is incomplete or damaged ({type(error).__name__}: {error}): download it again"
        ) from error


def _check_unpacked(path: Path) -> None:
    """Hold what a MATLAB file unpacks to against the limit: scipy takes as much memory as it is told to.

    Raises:
        FrameError: the file cannot be read, or is more.
    """
    total = 0
    with open_regular(path, FrameError, "file of boxes") as file:
        MAX_BYTES.check(os.fstat(file.fileno()).st_size, f"{path}: this file of boxes", FrameError)
        file.seek(_MAT_HEADER)
        while len(head := file.read(8)) == 8:
            kind, left = struct.unpack("<2I", head)
            if kind != _MAT_COMPRESSED:
                file.seek(left, os.SEEK_CUR)
                continue
            unpacker = zlib.decompressobj()
            while left > 0 and (piece := file.read(min(left, _PIECE))):
                left -= len(piece)
                while piece:
                    try:
                        total += len(unpacker.decompress(piece, _PIECE))
                    except zlib.error:
                        # scipy says what is wrong with it.
                        return
                    piece = unpacker.unconsumed_tail
                MAX_BYTES.check(total, f"{path}: what this file of boxes unpacks to", FrameError)


def boxes_from_json(path: Path) -> Boxes:
    """The boxes of a frame's ``annotation3Dfinal/index.json``, the data set's first version.

    Raises:
        FrameError: the file is missing or damaged.
    """
    try:
        where = f"{path}: this file of boxes is cut short or damaged"
        stored = parse_json(read_text(path, "file of boxes"), where, FrameError, finite=False)
        objects = [thing for thing in stored["objects"] if thing and thing.get("polygon")]
        return gather([_json_box(thing) for thing in objects], _INDEX)
    except FrameError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise FrameError(f"{path}: this file of boxes is cut short or damaged ({error!r})") from error


def _sequence(frame: Any) -> str:
    return str(frame.sequenceName).strip("/").removeprefix("SUNRGBD/")


def _meta_box(box: Any) -> tuple[str, list[float]]:
    """``coeffs`` are half sizes; the second lies along ``orientation``, the first across (as VoteNet takes them)."""
    across, along, high = (2 * abs(float(value)) for value in box.coeffs)
    front = np.asarray(box.orientation, dtype=np.float64)
    numbers = [*map(float, box.centroid), along, across, high, float(np.arctan2(front[1], front[0]))]
    if len(numbers) != 7 or not np.isfinite(numbers).all():
        raise ValueError(f"the box of a {box.classname} is not finite")
    return str(box.classname), numbers


def _json_box(thing: dict[str, Any]) -> tuple[str, list[float]]:
    """The four corners on the ground in order, (X, Z), and the heights Ymin and Ymax with y down.

    The thing faces the middle of its first edge.
    """
    polygon = thing["polygon"][0]
    ground = np.stack([polygon["X"], polygon["Z"]], axis=1).astype(np.float64)[:4]
    low, high = -float(polygon["Ymin"]), -float(polygon["Ymax"])
    centre = (ground[0] + ground[2]) / 2
    front = (ground[0] + ground[1]) / 2 - centre
    across, along = np.linalg.norm(ground[1] - ground[0]), np.linalg.norm(ground[2] - ground[1])
    numbers = [*centre, (low + high) / 2, along, across, abs(high - low), np.arctan2(front[1], front[0])]
    if not np.isfinite(numbers).all():
        raise ValueError("a box is not finite")
    return thing["name"].partition(":")[0].rstrip("_ "), [float(number) for number in numbers]

"""Oriented boxes of SUN RGB-D, from the file of its second version or from a frame's own annotation."""

from pathlib import Path
from typing import Any

import numpy as np

from ppkt_zoo.data.readers.box_files import Boxes, NamedBox, boxes_in, gather
from ppkt_zoo.data.readers.mat_file import MatArray, find_variable
from ppkt_zoo.errors import FrameError
from ppkt_zoo.files.limits import MAX_BYTES, memory_named
from ppkt_zoo.files.reading import read_file

META = "SUNRGBDMeta3DBB_v2.mat"
_BOX_FIELDS = ("classname", "centroid", "coeffs", "orientation")
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
        FrameError: the file is damaged or another one.
    """
    content = read_file(path, FrameError, "file of boxes", limit=MAX_BYTES)
    try:
        with memory_named(str(path), FrameError):
            table = find_variable(content, "SUNRGBDMeta", f"{path}: what this file of boxes")
            return {
                sequence.text().strip("/").removeprefix("SUNRGBD/"): gather(
                    [_meta_box(*box) for box in boxes.rows(_BOX_FIELDS)], _INDEX
                )
                for sequence, boxes in table.rows(("sequenceName", "groundtruth3DBB"))
            }
    except ValueError as error:
        if isinstance(error, FrameError):
            raise
        raise FrameError(f"{path}: this {META} is incomplete or damaged ({error}): download it again") from None


def boxes_from_json(path: Path) -> Boxes:
    """The boxes of a frame's ``annotation3Dfinal/index.json``, the data set's first version.

    Raises:
        FrameError: the file is missing or damaged.
    """
    return gather(boxes_in(path, "objects", _json_box), _INDEX)


def _meta_box(name: MatArray, centroid: MatArray, coeffs: MatArray, orientation: MatArray) -> NamedBox:
    """``coeffs`` are half sizes; the second lies along ``orientation``, the first across (as VoteNet takes them)."""
    across, along, high = (2 * abs(float(value)) for value in coeffs.numbers())
    front = [float(value) for value in orientation.numbers()]
    if len(front) < 2:
        raise ValueError(f"a box has an orientation of {len(front)} numbers")
    numbers = [*map(float, centroid.numbers()), along, across, high, float(np.arctan2(front[1], front[0]))]
    if len(numbers) != 7 or not np.isfinite(numbers).all():
        raise ValueError(f"the box of a {name.text()[:40]} is not finite")
    return name.text(), numbers


def _json_box(thing: dict[str, Any] | None) -> NamedBox | None:
    """The four corners on the ground in order, (X, Z), and the heights Ymin and Ymax with y down.

    The thing faces the middle of its first edge.
    """
    if not thing or not thing.get("polygon"):
        return None
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

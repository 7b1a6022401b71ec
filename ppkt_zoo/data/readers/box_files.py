"""``NAME.boxes.json``: the objects of an own scan as boxes."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.readers.number_text import read_text
from ppkt_zoo.errors import FrameError
from ppkt_zoo.files.strict_json import parse_json, read_json
from ppkt_zoo.files.text import one_line

BOXES_SUFFIX = ".boxes.json"
NamedBox = tuple[str, list[float]]
"""A box's class, and its seven numbers as in :class:`Boxes`."""

_CENTRE = ("centre", "center")
# `ppkt-zoo detect` writes a score; labelling tools count their boxes.
_PASSED_OVER = ("score", "id", "name")
_KEYS = ("class", *_CENTRE, "size", "heading", *_PASSED_OVER)
_MOST_TURN = 1.1 * 2 * math.pi


@dataclass(frozen=True)
class Boxes:
    """Labelled boxes of one frame or scan.

    Attributes:
        boxes: float64 (K, 7): centre, full size, heading in radians counter-clockwise about +z, from world x to
            the box's own x (where the data set tells which way a thing faces, it is that way).
        label: int16 (K,), index into the reader's ``box_classes``.
        others: how many boxes of each other class were left out.
    """

    boxes: NDArray[np.float64]
    label: NDArray[np.int16]
    others: dict[str, int] = field(default_factory=dict)


def gather(found: list[NamedBox], index: dict[str, int]) -> Boxes:
    """Boxes of a reader's classes; those whose class has no index are only counted."""
    kept = [(index[name], box) for name, box in found if name in index]
    return Boxes(
        boxes=np.array([box for _, box in kept], dtype=np.float64).reshape(-1, 7),
        label=np.array([label for label, _ in kept], dtype=np.int16),
        others=dict(Counter(name for name, _ in found if name not in index)),
    )


def boxes_in(path: Path, key: str, box: Callable[[Any], NamedBox | None]) -> list[NamedBox]:
    """What ``box`` makes of the things that a data set's JSON file lists under ``key``; None is left out.

    Raises:
        FrameError: the file is missing, or damaged by what ``box`` stumbles over.
    """
    where = f"{path}: this file of boxes is cut short or damaged"
    try:
        stored = parse_json(read_text(path, "file of boxes"), where, FrameError, finite=False)
        return [found for thing in stored[key] if (found := box(thing)) is not None]
    except FrameError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise FrameError(f"{where} ({error!r})") from error


class NamedBoxes(NamedTuple):
    """The boxes of one scan.

    Attributes:
        boxes: float64 (K, 7): centre, full size, heading in radians counter-clockwise about +z.
        names: the class of each, (K,).
    """

    boxes: NDArray[np.float64]
    names: tuple[str, ...]


def read_boxes(file: Path) -> NamedBoxes:
    """Read a list of boxes; an empty list says that the scan has no object.

    Each is ``{"class": name, "centre": [x, y, z], "size": [dx, dy, dz], "heading": radians}``, in the frame of the
    cloud, metres, z up; ``center`` will do, and a box without a heading is not turned.

    Raises:
        FrameError: it is missing or damaged, or a box does not fit: numbers that are none, a size of 0, a heading in
            degrees; the message names the box.
    """
    rows = read_json(file, FrameError, "file of boxes")
    if not isinstance(rows, list):
        raise FrameError(f"{file}: this must be a list of boxes, found {type(rows).__name__}")
    boxes, names = np.empty((len(rows), 7)), []
    for number, row in enumerate(rows):
        where = f"{file}: box {number}"
        if not isinstance(row, dict):
            raise FrameError(f"{where} must be an object with class, centre, size and heading")
        if unknown := [key for key in row if key not in _KEYS]:
            raise FrameError(f"{where} has a field {one_line(unknown[0], 60)!r}: it has class, centre, size, heading")
        name = row.get("class")
        if not isinstance(name, str) or not name.strip():
            raise FrameError(f"{where} needs a class, its name as text")
        given = [row[key] for key in _CENTRE if key in row]
        if len(given) != 1:
            raise FrameError(f"{where} ({name}) needs one centre, [x, y, z] in metres")
        boxes[number, :3] = _three(where, name, "centre", given[0])
        boxes[number, 3:6] = _three(where, name, "size", row.get("size"))
        boxes[number, 6] = _number(where, name, "heading", row.get("heading", 0.0))
        if (boxes[number, 3:6] <= 0).any():
            axis = "xyz"[int((boxes[number, 3:6] <= 0).argmax())]
            raise FrameError(f"{where} ({name}) has no size along {axis}: give full lengths above 0, or leave it out")
        if fault := heading_fault(boxes[number, 6]):
            raise FrameError(f"{where} ({name}): {fault}")
        names.append(one_line(name.strip(), 100))
    return NamedBoxes(boxes, tuple(names))


def heading_fault(heading: float) -> str | None:
    """What is wrong with a heading; None where it can be radians."""
    if abs(heading) <= _MOST_TURN:
        return None
    return f"heading {heading:g} is more than a turn of 2π: give radians, not degrees"


def hold_a_point(boxes: NDArray[np.float64], xyz: NDArray[Any]) -> NDArray[np.bool_]:
    """Which boxes (K, 7) have a point (N, 3) inside: bool (K,)."""
    held = np.zeros(len(boxes), bool)
    for number, box in enumerate(boxes):
        x, y, z = (xyz[:, axis] - box[axis] for axis in range(3))
        cosine, sine = math.cos(box[6]), math.sin(box[6])
        along, across = np.abs(x * cosine + y * sine), np.abs(y * cosine - x * sine)
        half = box[3:6] / 2
        held[number] = bool(((along <= half[0]) & (across <= half[1]) & (np.abs(z) <= half[2])).any())
    return held


def _three(where: str, name: str, field: str, given: Any) -> Sequence[float]:
    if not isinstance(given, list) or len(given) != 3:
        raise FrameError(f"{where} ({name}): {field} must be three numbers in metres, got {one_line(given, 60)}")
    return [_number(where, name, field, one) for one in given]


def _number(where: str, name: str, field: str, given: Any) -> float:
    # A number beyond float's range, such as 10**400, was refused with the file.
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise FrameError(f"{where} ({name}): {field} must hold finite numbers, got {one_line(given, 60)}")
    return float(given)

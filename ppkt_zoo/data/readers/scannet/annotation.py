"""The small files of one annotated scan: segments, the objects made of them, names of labels, axis alignment."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.readers.cameras import Matrix
from ppkt_zoo.data.readers.number_text import numbers_of, read_text
from ppkt_zoo.errors import FrameError
from ppkt_zoo.files.strict_json import parse_json

# id in nyu40 → class, of the benchmark for semantic segmentation.
NYU40_CLASSES = {
    1: "wall", 2: "floor", 3: "cabinet", 4: "bed", 5: "chair", 6: "sofa", 7: "table", 8: "door", 9: "window",
    10: "bookshelf", 11: "picture", 12: "counter", 14: "desk", 16: "curtain", 24: "refrigerator", 28: "shower curtain",
    33: "toilet", 34: "sink", 36: "bathtub", 39: "otherfurniture",
}  # fmt: skip
CLASSES = tuple(NYU40_CLASSES.values())
# Objects are all but wall and floor. Tables of detection call otherfurniture "garbagebin", as VoteNet did.
BOX_CLASSES = CLASSES[2:]
_INDEX = {identity: index for index, identity in enumerate(NYU40_CLASSES)}
# Instances are int32, and counted from 1 on.
_MOST = 2**31 - 1
_MOST_DIGITS = 6


def to_classes(nyu40: NDArray) -> NDArray[np.int16]:
    """Ids in nyu40 (N,) as indices (N,) into ``CLASSES``; −1 for those that the benchmark leaves out.

    Three published scans hold ids beyond 40 (50, 149), which no benchmark counts: −1 too.
    """
    table = np.full(max(_INDEX) + 1, -1, dtype=np.int16)
    table[list(_INDEX)] = list(_INDEX.values())
    known = (nyu40 >= 0) & (nyu40 < len(table))
    return np.where(known, table[np.where(known, nyu40, 0)], np.int16(-1))


def to_box_class(nyu40: int) -> int:
    """Index into ``BOX_CLASSES`` of an id in nyu40; −1 for what is no object of the benchmark."""
    return max(_INDEX.get(nyu40, 0) - 2, -1)


@dataclass(frozen=True)
class AnnotatedObject:
    """One object of an aggregation.

    Attributes:
        number: its number, from 1 on (0 is no object).
        label: what the annotator called it.
        segments: ids of its segments.
    """

    number: int
    label: str
    segments: tuple[int, ...]


def read_segments(path: Path, points: int) -> NDArray[np.int64]:
    """The id of the segment of each vertex, int64 (points,), from ``…segs.json``.

    Raises:
        FrameError: the file is missing, damaged, or of a mesh with another number of vertices.
    """
    ids = _member(_read_json(path, "file of segments"), "segIndices", path)
    if not all(_is_id(number) for number in ids):
        raise FrameError(f"{path}: segIndices holds something that is no id: the file is damaged")
    if len(ids) != points:
        raise FrameError(f"{path}: {len(ids)} segment ids for a mesh of {points} vertices: they are not of one scan")
    return np.array(ids, dtype=np.int64)


def read_objects(path: Path) -> list[AnnotatedObject]:
    """The objects of ``….aggregation.json``, in its order; raises FrameError where it is missing or damaged."""
    objects = []
    for group in _member(_read_json(path, "aggregation"), "segGroups", path):
        given = group if isinstance(group, dict) else {}
        number, label, segments = given.get("objectId"), given.get("label"), given.get("segments")
        whole = _is_id(number) and isinstance(segments, list) and all(_is_id(segment) for segment in segments)
        if not whole or not isinstance(label, str):
            raise FrameError(f"{path}: a group should have objectId, label and segments, got {str(group)[:80]}")
        objects.append(AnnotatedObject(given["objectId"] + 1, label, tuple(given["segments"])))
    return objects


def read_label_map(path: Path) -> dict[str, int]:
    """What annotators wrote → id in nyu40, from ``scannetv2-labels.combined.tsv``.

    Raises:
        FrameError: the file is missing or damaged.
    """
    rows = csv.DictReader(read_text(path, "map of labels").splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    names = {}
    try:
        if not {"raw_category", "nyu40id"} <= set(rows.fieldnames or ()):
            raise FrameError(f"{path}: this map of labels has no columns raw_category and nyu40id")
        for row in rows:
            number = row["nyu40id"] or ""
            if not number.isdecimal() or len(number) > _MOST_DIGITS:
                raise FrameError(f"{path}: line {rows.line_num} has no id in nyu40: the file is cut short or damaged")
            names[row["raw_category"]] = int(number)
    except csv.Error as error:
        raise FrameError(f"{path}: this map of labels is damaged ({error}): download it again") from None
    return names


def read_axis_alignment(path: Path) -> Matrix:
    """The (4, 4) transform of ``sceneNNNN_NN.txt`` that lays the walls along x and y.

    Raises:
        FrameError: the file is missing or holds no such line.
    """
    for line in read_text(path, "description of the scan").splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "axisAlignment":
            try:
                matrix = numbers_of(value.split(), str(path)).reshape(4, 4)
            except ValueError as error:
                raise FrameError(f"{path}: axisAlignment should be 16 numbers: {error}") from error
            if not np.isfinite(matrix).all() or not np.array_equal(matrix[3], [0, 0, 0, 1]):
                raise FrameError(f"{path}: axisAlignment is no transform: {value.strip()[:200]}")
            return matrix
    raise FrameError(f"{path}: no line axisAlignment (the test scans have none): give align=False")


def to_instances(segments: NDArray[np.int64], objects: Sequence[AnnotatedObject], path: Path) -> NDArray[np.int32]:
    """The number of the object of each vertex, int32 (N,), 0 where there is none.

    A segment of two objects goes to the later one (scene0217_00 lists its objects twice).

    Raises:
        FrameError: an object has a segment that no vertex is of; the message names ``path``, the aggregation.
    """
    ids, place = np.unique(segments, return_inverse=True)
    owner = np.zeros(len(ids), dtype=np.int32)
    for one in objects:
        wanted = np.array(one.segments, dtype=np.int64)
        at = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
        if (ids[at] != wanted).any():
            raise FrameError(
                f"{path}: object {one.number - 1} ({one.label}) has segment {wanted[ids[at] != wanted][0]}, which "
                "no vertex is of: aggregation and segments are not of one mesh"
            )
        owner[at] = one.number
    return owner[place]


def _is_id(value: Any) -> bool:
    return type(value) is int and 0 <= value < _MOST


def _read_json(path: Path, what: str) -> Any:
    return parse_json(read_text(path, what), f"{path}: this {what}", FrameError)


def _member(stored: Any, key: str, path: Path) -> list[Any]:
    value = stored.get(key) if isinstance(stored, dict) else None
    if not isinstance(value, list):
        raise FrameError(f"{path}: no list {key} in this file: it is something else")
    return value

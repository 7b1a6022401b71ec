"""What files of ours hold beside a cloud: features of ``encode``, classes of ``segment``, boxes of ``detect``."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ppkt_zoo.cli.run.source import Points
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.limits import MAX_TEXT
from ppkt_zoo.files.reading import read_file
from ppkt_zoo.files.strict_json import parse_json
from ppkt_zoo.points.files.fields import FIELD_SUFFIXES, read_fields

_PART = re.compile(r"features_(\d+)")
_NO_CLASS = -1


class Stored(NamedTuple):
    """What stands in a file, row by row as its points.

    Attributes:
        points: the cloud; without colour where the file's colours are those of its classes.
        features: float (N, C), or None.
        shown: further arguments of :func:`ppkt_zoo.view`.
    """

    points: Points
    features: np.ndarray | None
    shown: dict[str, Any]

    @property
    def told(self) -> str:
        """A few words on it; empty where there is nothing."""
        parts = [] if self.features is None else [f"{self.features.shape[1]} stored features a point"]
        return ", ".join([*parts, *(name for name in ("classes", "clusters") if name in self.shown)])


def read_stored(path: Path, points: Points) -> Stored:
    """Look for features, labels and clusters in the file that the points were read from.

    Raises:
        InputError: the file, or the names of its labels beside it, cannot be read.
    """
    if path.is_dir() or path.suffix.lower() not in FIELD_SUFFIXES or not _holds_columns(path):
        return Stored(points, None, {})
    columns = read_fields(path).columns
    fitting = {name: column for name, column in columns.items() if len(column) == len(points.xyz)}
    shown: dict[str, Any] = {}
    if (labels := fitting.get("label")) is not None and labels.ndim == 1 and labels.dtype.kind in "iu":
        names = _names(path)
        shown["classes"], table = _classes(labels, names)
        if points.rgb is not None and table is not None and np.array_equal(table, points.rgb):
            points = points._replace(rgb=None)
            shown["notes"] = ("The colours in the file are those of its classes, so that the cloud's own are unknown.",)
    for name in ("cluster", "clusters"):
        if (found := fitting.get(name)) is not None and found.ndim == 1 and found.dtype.kind in "iu":
            shown["clusters"] = _numbered(found, "cluster")
    return Stored(points, _features(fitting), shown)


def _holds_columns(path: Path) -> bool:
    """Text without a first line of names has no columns that could be asked for."""
    return path.suffix.lower() in (".npz", ".ply")


def _features(columns: dict[str, np.ndarray]) -> np.ndarray | None:
    whole = columns.get("features")
    if whole is not None and whole.dtype.kind in "fiu":
        return whole if whole.ndim == 2 else whole[:, None]
    numbers = sorted(int(match[1]) for name in columns if (match := _PART.fullmatch(name)))
    if not numbers or numbers != list(range(len(numbers))):
        return None
    return np.stack([columns[f"features_{number}"] for number in numbers], axis=1)


def _names(path: Path) -> dict[int, dict[str, Any]]:
    """What ``segment`` wrote beside its labels: label → name and colour; empty where there is no such file."""
    beside = path.with_name(f"{path.stem}.classes.json")
    if not beside.is_file():
        return {}
    rows = _parsed(beside, "names of the classes")
    try:
        return {int(row["label"]): {"name": str(row["name"]), "color": tuple(map(int, row["color"]))} for row in rows}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{beside}: this is no list of classes as 'segment' writes it ({error})") from None


def _classes(labels: np.ndarray, names: dict[int, dict[str, Any]]) -> tuple[Any, np.ndarray | None]:
    """A set of classes, and the colour of every point by the file's own table, if it has one."""
    from ppkt_zoo.visualization.page import ClassSet

    if not names:
        return _numbered(labels, "class"), None
    ids = sorted(names)
    place = np.searchsorted(ids, labels).clip(max=len(ids) - 1)
    known = np.array(ids)[place] == labels
    colors = tuple(names[one]["color"] for one in ids)
    found = ClassSet(np.where(known, place, _NO_CLASS), tuple(names[one]["name"] for one in ids), colors)
    table = np.array(colors)[place] if known.all() and all(len(color) == 3 for color in colors) else None
    return found, table


def _numbered(labels: np.ndarray, noun: str) -> Any:
    """Labels without names: each number that occurs is a class; those below 0 are none."""
    from ppkt_zoo.visualization.page import ClassSet

    ids = np.unique(labels[labels >= 0])
    place = np.where(labels < 0, _NO_CLASS, np.searchsorted(ids, labels))
    return ClassSet(place, tuple(f"{noun} {number}" for number in ids.tolist()))


def read_boxes(path: Path) -> Any:
    """The boxes in a .json or .npz that ``detect`` wrote, as :func:`ppkt_zoo.view` takes them.

    Raises:
        InputError: it cannot be read, or holds no boxes.
    """
    from ppkt_zoo.visualization.page import BoxSet

    ending = path.suffix.lower()
    if ending == ".json":
        rows = _parsed(path, "boxes")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise InputError(f"{path}: this is no list of boxes as 'detect' writes it")
        return BoxSet.of(rows)
    if ending != ".npz":
        raise InputError(f"--boxes {path.name!r} must be a .json or .npz that 'detect' wrote")
    from ppkt_zoo.points.files.numpy_files import named_arrays

    content = read_file(path, InputError, "boxes")
    found = named_arrays(content, ("boxes", "label", "score"), str(path))
    names = tuple(map(str, named_arrays(content, ("classes",), str(path), "U")["classes"].reshape(-1).tolist()))
    return BoxSet.checked(found["boxes"], found["label"], names, found["score"])


def _parsed(path: Path, what: str) -> Any:
    return parse_json(read_file(path, InputError, what, limit=MAX_TEXT), str(path), InputError)

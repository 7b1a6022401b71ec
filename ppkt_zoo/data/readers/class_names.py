"""``classes.yaml``: what the labels of own scans are called, which of them do not count, and their colours."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.errors import FrameError
from ppkt_zoo.files.reading import read_text
from ppkt_zoo.files.strict_json import parse_json
from ppkt_zoo.files.strict_yaml import parse_yaml
from ppkt_zoo.files.text import one_line

#: Where the names may stand; ``.json`` is what ``ppkt-zoo segment`` writes, too.
CLASS_FILES = ("classes.yaml", "classes.yml", "classes.json")
#: The label of points that have none, whatever a file says of it.
UNLABELLED = -1

_MOST_CLASSES = 1000
_LARGEST_ID = 2**31 - 1
_KEYS = ("classes", "ignore", "colors", "boxes")
_HEX = re.compile(r"#[0-9a-fA-F]{6}")
_SHOWN = 12


@dataclass(frozen=True)
class ClassNames:
    """What the numbers in label fields mean.

    Attributes:
        file: where it stands, for messages.
        names: of the classes, by the smallest of their ids.
        ids: of each class the smallest id, which stands for it in files that we write.
        class_of: id → class, an index into ``names``; several ids may share one.
        ignored: ids of points that belong to no class; −1 always does.
        colors: name → (red, green, blue), where given.
        boxes: names of the classes of boxes, where given.
    """

    file: Path
    names: tuple[str, ...]
    ids: tuple[int, ...]
    class_of: Mapping[int, int]
    ignored: frozenset[int]
    colors: Mapping[str, tuple[int, int, int]]
    boxes: tuple[str, ...] | None

    def indices(self, ids: NDArray[np.int64], where: str) -> NDArray[np.int16]:
        """Ids as files hold them, int64 (N,), to classes, int16 (N,), −1 for none.

        Raises:
            FrameError: an id is neither named nor ignored; the message tells which, and how many points have it.
        """
        found, inverse, count = np.unique(ids, return_inverse=True, return_counts=True)
        unknown = [number for number, one in enumerate(found) if int(one) not in self.class_of]
        unknown = [number for number in unknown if int(found[number]) not in self.ignored]
        if unknown:
            listed = ", ".join(f"{found[number]} ({count[number]} points)" for number in unknown[:_SHOWN])
            more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
            raise FrameError(
                f"{where}: {self.file.name} names no label {listed}{more}: name it there under classes, or list it "
                "under ignore"
            )
        table = np.array([self.class_of.get(int(one), UNLABELLED) for one in found], dtype=np.int16)
        return table[inverse.reshape(-1)]


def find_class_file(folder: Path) -> Path | None:
    """The file of class names in a folder, None where there is none; raises FrameError where there are several."""
    there = [folder / name for name in CLASS_FILES if (folder / name).exists()]
    if len(there) > 1:
        raise FrameError(f"{there[0]} and {there[1].name} are both there: keep one of them")
    return there[0] if there else None


def read_class_names(file: Path) -> ClassNames:
    """Read a file of class names.

    Its fields: ``classes`` (id → name; or a list of names, for the ids 0, 1, …), and where wanted ``ignore`` (a list
    of ids), ``colors`` (name → [red, green, blue] or "#rrggbb") and ``boxes`` (names of the classes of boxes). A file
    with nothing but ids and names needs no field ``classes``. Several ids may have one name. In ``.json`` it may also
    be the list that ``ppkt-zoo segment`` writes beside its labels.

    Raises:
        FrameError: it is missing or damaged, or an id, name or colour does not fit; the message names it.
    """
    content = _content(file)
    content = {} if content is None else content  # an empty file
    if not isinstance(content, dict):
        raise FrameError(f"{file}: this must be fields such as classes and ignore, not {type(content).__name__}")
    if unknown := [key for key in content if key not in _KEYS]:
        raise FrameError(f"{file}: there is no field {one_line(unknown[0], 60)!r}, only {', '.join(_KEYS)}")
    named = _named(file, content.get("classes"))
    ignored = _ids(file, "ignore", content.get("ignore"))
    if both := ignored & set(named):
        raise FrameError(f"{file}: label {min(both)} stands under classes and under ignore: leave it in one of them")
    order: dict[str, int] = {}
    for number in sorted(named):
        order.setdefault(named[number], number)
    names = tuple(order)
    if len(names) > _MOST_CLASSES:
        raise FrameError(f"{file} names {len(names)} classes, more than {_MOST_CLASSES}: are these single objects?")
    boxes = content.get("boxes")
    return ClassNames(
        file=file,
        names=names,
        ids=tuple(order.values()),
        class_of={number: names.index(name) for number, name in named.items()},
        ignored=ignored | {UNLABELLED},
        colors=_colors(file, content.get("colors"), names),
        boxes=None if boxes is None else _box_names(file, boxes),
    )


def written_out(ids: list[int]) -> str:
    """What a file of class names for these ids looks like, in one line of YAML, for messages."""
    shown = ", ".join(f"{number}: name_of_{number}" for number in ids[:_SHOWN])
    return f"classes: {{{shown}{', …' if len(ids) > _SHOWN else ''}}}"


def _content(file: Path) -> Any:
    text = read_text(file, FrameError, "file of class names")
    if file.suffix.lower() == ".json":
        content = parse_json(text, f"{file}", FrameError)
        if isinstance(content, list) and content and all(isinstance(one, dict) for one in content):
            return _of_segment(file, content)
    else:
        try:
            content = parse_yaml(text)
        except ValueError as error:
            raise FrameError(f"{file} is not valid YAML: {error}") from error
    if isinstance(content, list):
        return {"classes": content}
    if isinstance(content, dict) and content and not set(map(str, content)) & set(_KEYS):
        return {"classes": content}
    return content


def _of_segment(file: Path, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The list of ``ppkt-zoo segment``, a row a class, as the other form."""
    if not all("label" in row and "name" in row for row in rows):
        raise FrameError(f"{file}: each row needs a label and a name")
    content: dict[str, Any] = {"classes": {}, "colors": {}}
    for row in rows:
        if isinstance(row["label"], dict | list) or not isinstance(row["name"], str):
            raise FrameError(
                f"{file}: a row's label must be a whole number and its name text, got {one_line(row, 100)}"
            )
        if row["label"] in content["classes"]:
            raise FrameError(f"{file}: label {row['label']} stands there twice: give it one name")
        content["classes"][row["label"]] = row["name"]
        if "color" in row:
            content["colors"][row["name"]] = row["color"]
    return content


def _named(file: Path, given: Any) -> dict[int, str]:
    """Id → name, checked."""
    if isinstance(given, list):
        if len(set(map(str, given))) != len(given):
            raise FrameError(f"{file}: classes names one class twice: give ids with their names where two share one")
        given = dict(enumerate(given))
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise FrameError(f"{file}: classes must give names by their ids, {written_out([0, 1])}")
    named: dict[int, str] = {}
    for key, name in given.items():
        number = _id(file, "classes", key)
        if number < 0:
            raise FrameError(f"{file}: classes has the id {number}: give ids of 0 or more, ignore takes others")
        if isinstance(name, bool) or not isinstance(name, str | int | float) or not str(name).strip():
            raise FrameError(
                f"{file}: the name of label {number} must be text, got {one_line(name, 60)}: put it in quotes"
            )
        if number in named:
            raise FrameError(f"{file}: label {number} stands there twice: give it one name")
        named[number] = one_line(str(name).strip(), 100)
    return named


def _ids(file: Path, field: str, given: Any) -> frozenset[int]:
    if given is None:
        return frozenset()
    rows = given if isinstance(given, list) else [given]
    return frozenset(_id(file, field, one) for one in rows)


def _id(file: Path, field: str, given: Any) -> int:
    """An id: a whole number, or (in JSON, where keys are text) one written out."""
    text = str(given).strip()
    fits = not isinstance(given, bool) and re.fullmatch(r"[+-]?\d{1,10}", text) is not None
    if not fits or abs(int(text)) > _LARGEST_ID:
        raise FrameError(f"{file}: {field} has the id {one_line(given, 60)!r}: ids are whole numbers, as in the scans")
    return int(text)


def _colors(file: Path, given: Any, names: tuple[str, ...]) -> dict[str, tuple[int, int, int]]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise FrameError(f"{file}: colors must give a colour by the name of its class")
    colors = {}
    for name, value in given.items():
        if str(name) not in names:
            raise FrameError(f"{file}: colors has {one_line(name, 60)!r}, which is no class")
        if isinstance(value, str) and _HEX.fullmatch(value):
            value = list(bytes.fromhex(value[1:]))
        fits = isinstance(value, list) and len(value) == 3
        if not fits or not all(type(part) is int and 0 <= part <= 255 for part in value):
            raise FrameError(f"{file}: the colour of {name} must be [red, green, blue] in 0..255, or '#rrggbb'")
        colors[str(name)] = (value[0], value[1], value[2])
    return colors


def _box_names(file: Path, given: Any) -> tuple[str, ...]:
    rows = given if isinstance(given, list) else [given]
    names = tuple(str(one).strip() for one in rows)
    if not names or "" in names or len(set(names)) != len(names) or any(isinstance(one, dict | list) for one in rows):
        raise FrameError(f"{file}: boxes must list names of classes, none twice")
    return names

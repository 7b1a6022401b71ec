"""A folder of own scans divided into those to learn from, to choose by and to report on; and a look at them all."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ppkt_zoo.data.readers.box_files import hold_a_point
from ppkt_zoo.data.readers.labelled_folder import find_scans, scan_name
from ppkt_zoo.data.scenes import SceneSource
from ppkt_zoo.data.subset import existing_folder
from ppkt_zoo.errors import FrameError, RecipeError
from ppkt_zoo.evaluation.metrics import IGNORE
from ppkt_zoo.files.reading import read_text
from ppkt_zoo.files.text import first_few, most_frequent, one_line

# What a part may be called, in folders and lists.
_PARTS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
_SHOWN = 5


class DividedScans(NamedTuple):
    """The scans of a folder by what they are for.

    Attributes:
        train, validation, test: files; no validation is possible.
        told: how they were divided, for people.
    """

    train: tuple[Path, ...]
    validation: tuple[Path, ...]
    test: tuple[Path, ...]
    told: str


def divide_scans(folder: Path, test_part: float = 0.2, validation_part: float = 0.1) -> DividedScans:
    """Divide a folder's scans by its sub-folders, else by its lists, else by their names.

    Sub-folders are ``train``, ``val`` and ``test``; lists are ``train.txt``, ``val.txt`` and ``test.txt``, a scan a
    line, with or without its ending. Where ``val`` or ``test`` is all that stands beside ``train``, it is the test.
    Without either, a fixed choice by the sha256 of the scans' names: whoever adds scans and wants the old test to stay
    writes lists.

    Args:
        folder: holds the scans.
        test_part, validation_part: of scans that are divided by their names; at least one is tested on.

    Raises:
        FrameError: no such folder, a list that names no scan, or two scans of one name.
        RecipeError: too few scans to learn and to test, or one that stands in two parts.
    """
    existing_folder(folder)
    places = {part: _one_of(folder, [folder / name for name in names]) for part, names in _PARTS.items()}
    lists = {part: _one_of(folder, [folder / f"{name}.txt" for name in names]) for part, names in _PARTS.items()}
    if places["train"] is not None:
        found = {part: find_scans(place) if place is not None else [] for part, place in places.items()}
        how = "by its sub-folders"
    elif lists["train"] is not None:
        found = {part: _listed(folder, file) if file is not None else [] for part, file in lists.items()}
        how = "by its lists"
    elif any(one is not None for one in (*places.values(), *lists.values())):
        there = next(one for one in (*places.values(), *lists.values()) if one is not None)
        raise RecipeError(f"{folder} has {there.name} but neither a folder train nor a list train.txt: add it")
    else:
        found = _by_name(folder, test_part, validation_part)
        how = "by their names (write train.txt, val.txt and test.txt to divide them yourself)"
    if not found["test"]:
        found["test"], found["validation"] = found["validation"], []
    _check(folder, found)
    names = [scan_name(folder, file) for file in found["test"]]
    told = (
        f"{len(found['train'])} scans of {folder} to learn from, {len(found['validation'])} to validate, "
        f"{len(names)} to test on ({first_few(names, _SHOWN)}); divided {how}"
    )
    return DividedScans(tuple(found["train"]), tuple(found["validation"]), tuple(found["test"]), told)


def look_through(train: SceneSource, others: Iterable[SceneSource], labels: bool) -> str:
    """Read every scene once, before hours go into a training that one of them would end.

    Args:
        train: to learn from.
        others: to validate and to test on.
        labels: whether their points must be labelled; else their boxes are looked at.

    Returns:
        What there is to learn from, for people.

    Raises:
        FrameError: a scan is damaged, has no labelled point to learn from, has colour where others have none, or has
            boxes of which none holds a point.
    """
    colored: dict[bool, str] = {}
    points = np.zeros(max(1, len(train.classes)), np.int64)
    objects = np.zeros(max(1, len(train.box_classes)), np.int64)
    unlabelled = empty = 0
    for source in (train, *others):
        for number in range(len(source)):
            scene = source[number]
            colored.setdefault(scene.rgb is not None, scene.name)
            if len(colored) == 2:
                raise FrameError(
                    f"scan {colored[True]} has colour and {colored[False]} has none: give all of them colour, or "
                    "leave it out of all of them, data.color=false"
                )
            known = scene.label[scene.label != IGNORE]
            if labels and source is train and len(known) == 0:
                raise FrameError(
                    f"scan {scene.name} has no labelled point: all of its {len(scene.label)} labels are ignored; "
                    "leave it out"
                )
            if scene.boxes is not None and scene.box_label is not None and len(scene.boxes) and not labels:
                held = hold_a_point(scene.boxes, scene.xyz)
                if not held.any():
                    raise FrameError(
                        f"scan {scene.name}: none of its {len(held)} boxes holds a point: they must be given in the "
                        "frame of the cloud, in metres, by their centres and full sizes"
                    )
                empty += int((~held).sum())
            if source is train:
                points[: len(train.classes)] += np.bincount(known, minlength=len(train.classes))[: len(train.classes)]
                unlabelled += len(scene.label) - len(known)
                if scene.box_label is not None:
                    objects[: len(train.box_classes)] += np.bincount(scene.box_label, minlength=len(train.box_classes))
    if labels:
        total = int(points.sum())
        shares = most_frequent(
            train.classes, points.tolist(), lambda name, count: f"{name} {count / max(1, total):.1%}"
        )
        told = f"{total} labelled points, {unlabelled} without a label; {shares}"
        return told + _never(train.classes, points, "point")
    counts = most_frequent(train.box_classes, objects.tolist(), lambda name, count: f"{count} × {name}", "classes more")
    told = f"{int(objects.sum())} boxes to learn from: {counts}"
    told += f"; {empty} boxes hold no point" if empty else ""
    return told + _never(train.box_classes, objects, "box")


def _one_of(folder: Path, places: Sequence[Path]) -> Path | None:
    there = [place for place in places if place.exists()]
    if len(there) > 1:
        raise FrameError(f"{folder}: {there[0].name} and {there[1].name} are both there: keep one of them")
    return there[0] if there else None


def _listed(folder: Path, file: Path) -> list[Path]:
    """The scans that a list names."""
    files = {scan_name(folder, one): one for place in (folder, *_folders(folder)) for one in find_scans(place)}
    chosen: list[Path] = []
    for line in read_text(file, FrameError, "list of scans").splitlines():
        name = line.strip().replace("\\", "/").removeprefix("./")
        if not name or name.startswith("#"):
            continue
        found = files.get(name) or next(
            (one for one in files.values() if one.relative_to(folder).as_posix() == name), None
        )
        if found is None:
            raise FrameError(f"{file} names {one_line(name, 100)!r}, which is no scan of {folder}: mend the line")
        if found in chosen:
            raise FrameError(f"{file} names {one_line(name, 100)!r} twice: leave one line out")
        chosen.append(found)
    return chosen


def _folders(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]


def _by_name(folder: Path, test_part: float, validation_part: float) -> dict[str, list[Path]]:
    files = find_scans(folder)
    if len(files) < 2:
        raise RecipeError(
            f"{folder} holds {len(files)} scans: at least two are needed, one to learn from and one to test on; a "
            "large one may be cut into several files"
        )
    drawn = sorted(files, key=lambda file: hashlib.sha256(scan_name(folder, file).encode()).hexdigest())
    test = min(len(files) - 1, max(1, round(test_part * len(files))))
    validation = min(len(files) - 1 - test, round(validation_part * len(files)))
    parts = {"test": drawn[:test], "validation": drawn[test : test + validation], "train": drawn[test + validation :]}
    return {part: [file for file in files if file in parts[part]] for part in _PARTS}


def _check(folder: Path, found: dict[str, list[Path]]) -> None:
    for part in ("train", "test"):
        if not found[part]:
            raise RecipeError(f"{folder}: no scan to {'learn from' if part == 'train' else 'test on'}: add some")
    seen: dict[Path, str] = {}
    for part, files in found.items():
        for file in files:
            if file in seen:
                raise RecipeError(
                    f"{folder}: scan {scan_name(folder, file)} stands in {seen[file]} and in {part}: a model is "
                    "tested on what it never saw"
                )
            seen[file] = part


def _never(names: tuple[str, ...], count: np.ndarray, what: str) -> str:
    missing = [name for number, name in enumerate(names) if not count[number]]
    return f"; no {what} to learn from of: {', '.join(missing[:20])}" if missing else ""

"""S3DIS (Armeni et al., CVPR 2016), raw: ``Stanford3dDataset_v1.2_Aligned_Version``, six areas of rooms.

Area_5/hallway_6/Annotations/ceiling_1.txt       x y z r g b of each point of one object, a line each

The published files hold a few damaged lines: in line 180 389 of that very file a control byte stands where a space
should be, in others it stands for a digit. Which of the two can't be told, so such a line is left out and counted.
"""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.scenes import LabelledScene
from ppkt_zoo.data.subset import check_name, entries, existing_folder, natural_key
from ppkt_zoo.errors import FrameError
from ppkt_zoo.files.limits import MAX_BYTES, memory_named
from ppkt_zoo.files.reading import open_regular

CLASSES = (
    "ceiling", "floor", "wall", "beam", "column", "window", "door", "table", "chair", "sofa", "bookcase", "board",
    "clutter",
)  # fmt: skip
# Area 5 is of another building than the rest, so nothing of it is seen in training.
TRAIN_AREAS = (1, 2, 3, 4, 6)
TEST_AREAS = (5,)
_AREA = re.compile(r"Area_(\d)")
# What is known of the published files is one such line each; one with more than this was damaged elsewhere.
_MOST_DAMAGED = 3
# Bytes that are parsed at a time, and the longest line: six numbers take a hundred.
_PIECE, _LONGEST_LINE = 2**22, 2**16


class S3DIS:
    """The rooms below a folder, each a scene whose objects are the files of ``Annotations``.

    Every point belongs to an object, and objects of other classes than the twelve (stairs) are clutter.

    Args:
        folder: the data set's, the one of an area, or the one of a room.
        areas: numbers of the areas wanted, such as ``TRAIN_AREAS``; by default all that are there.

    Raises:
        FrameError: no such folder, no rooms in it, an area that is wanted is not there, or a room has no
            annotations; their lines are checked when a scene is read.
    """

    classes = CLASSES
    box_classes: tuple[str, ...] = ()

    def __init__(self, folder: Path | str, areas: Iterable[int] | None = None) -> None:
        self.folder = existing_folder(folder)
        self.name = self.folder.resolve().name
        self._rooms = _find_rooms(self.folder, None if areas is None else tuple(areas))
        if not self._rooms:
            raise FrameError(f"{self.folder}: no rooms of S3DIS here: expected Area_1/office_1/Annotations/chair_1.txt")
        for room in self._rooms:
            if not _object_files(room):
                raise FrameError(f"{room / 'Annotations'}: no objects (chair_1.txt, …) here: unpack the data set again")

    def __len__(self) -> int:
        return len(self._rooms)

    def __getitem__(self, index: int) -> LabelledScene:
        room = self._rooms[index]
        objects = [(_class_of(path), *_read_object(path)) for path in _object_files(room)]
        sizes = [len(xyz) for _, xyz, _, _ in objects]
        return LabelledScene(
            xyz=np.concatenate([xyz for _, xyz, _, _ in objects]),
            rgb=np.concatenate([rgb for _, _, rgb, _ in objects]),
            label=np.repeat(np.array([kind for kind, _, _, _ in objects], dtype=np.int16), sizes),
            instance=np.repeat(np.arange(1, len(objects) + 1, dtype=np.int32), sizes),
            boxes=None,
            box_label=None,
            classes=self.classes,
            box_classes=self.box_classes,
            name=f"{room.resolve().parent.name}/{room.resolve().name}",
            dropped=sum(dropped for _, _, _, dropped in objects),
        )


def _find_rooms(folder: Path, areas: tuple[int, ...] | None) -> list[Path]:
    """Rooms in their natural order; only those of the areas, where these are given."""
    if (folder / "Annotations").is_dir():
        homes, rooms = [folder.resolve().parent], [folder]
    else:
        is_area = _AREA.fullmatch(folder.resolve().name)
        homes = [folder] if is_area else [path for path in _folders(folder) if _AREA.fullmatch(path.name)]
        rooms = [room for home in homes for room in _folders(home)]
    if areas is None:
        return rooms
    numbers = [int(found[1]) for home in homes if (found := _AREA.fullmatch(home.resolve().name))]
    missing = [area for area in areas if area not in numbers]
    if missing:
        raise FrameError(f"{folder / f'Area_{missing[0]}'}: this area is missing, but it is wanted: unpack it there")
    wanted = {f"Area_{area}" for area in areas}
    return [room for room in rooms if room.resolve().parent.name in wanted]


def _folders(folder: Path) -> list[Path]:
    inside = [path for path in entries(folder) if path.is_dir() and not path.name.startswith(".")]
    return sorted(inside, key=lambda path: natural_key(path.name))


def _object_files(room: Path) -> list[Path]:
    if not (room / "Annotations").is_dir():
        return []
    files = [path for path in entries(room / "Annotations") if path.suffix == ".txt" and not path.name.startswith(".")]
    for path in files:
        check_name(path)
    return sorted(files, key=lambda path: natural_key(path.name))


def _class_of(path: Path) -> int:
    name = path.stem.split("_")[0]
    return CLASSES.index(name if name in CLASSES else "clutter")


def _read_object(path: Path) -> tuple[NDArray[np.float32], NDArray[np.uint8], int]:
    """Points float32 (N, 3), colours uint8 (N, 3), and how many lines were damaged, a few at most."""
    xyz: list[NDArray[np.float32]] = []
    rgb: list[NDArray[np.uint8]] = []
    lines, damaged, first = 0, 0, b""
    for piece in _pieces(path):
        table = _parse(piece)
        # Beyond float32 is no position.
        whole = (np.abs(table[:, :3]) < np.finfo(np.float32).max).all(axis=1)
        colors = table[:, 3:]
        whole &= ((colors >= 0) & (colors <= 255) & (colors == np.round(colors))).all(axis=1)
        if not whole.all():
            first = first or piece[int(np.argmin(whole))]
        damaged += int((~whole).sum())
        lines += len(piece)
        xyz.append(table[whole, :3].astype(np.float32))
        rgb.append(table[whole, 3:].astype(np.uint8))
    if damaged > _MOST_DAMAGED:
        raise FrameError(
            f"{path}: {damaged} of {lines} lines are not x y z r g b, the first of them {first[:60]!r}: "
            "unpack the data set again"
        )
    if damaged == lines:
        raise FrameError(f"{path}: no points in this file: unpack the data set again")
    return np.concatenate(xyz), np.concatenate(rgb), damaged


def _pieces(path: Path) -> Iterator[list[bytes]]:
    """The lines of a file that hold anything, some megabytes at a time."""
    with open_regular(path, FrameError, "file of points") as file, memory_named(str(path), FrameError):
        MAX_BYTES.check(os.fstat(file.fileno()).st_size, f"{path}: this file of points", FrameError)
        rest = b""
        while True:
            try:
                content = file.read(_PIECE)
            except OSError as error:
                raise FrameError(f"{path}: these points cannot be read ({error.strerror})") from error
            if not content:
                break
            # What stands behind the last line's end belongs to the next piece.
            end = max(content.rfind(b"\n"), content.rfind(b"\r")) + 1
            whole, rest = (rest + content[:end], content[end:]) if end else (b"", rest + content)
            if len(rest) > _LONGEST_LINE:
                raise FrameError(f"{path}: a line of over {_LONGEST_LINE} bytes: these are no points, unpack again")
            if lines := _filled(whole):
                yield lines
        if lines := _filled(rest):
            yield lines


def _filled(content: bytes) -> list[bytes]:
    return [line for line in content.splitlines() if line.strip()]


def _parse(lines: list[bytes]) -> NDArray[np.float64]:
    """Six numbers of each line, (N, 6); NaN where a line is not that."""
    try:
        table = np.loadtxt(lines, dtype=np.float64, comments=None, ndmin=2, encoding="latin-1")
        if table.shape == (len(lines), 6):
            return table
    except ValueError:
        pass
    # A damaged line: one by one, for its sake.
    return np.array([_numbers(line[:_LONGEST_LINE]) for line in lines], dtype=np.float64).reshape(-1, 6)


def _numbers(line: bytes) -> list[float]:
    words = line.split()
    try:
        return [float(word) for word in words] if len(words) == 6 and b"_" not in line else [np.nan] * 6
    except ValueError:
        return [np.nan] * 6

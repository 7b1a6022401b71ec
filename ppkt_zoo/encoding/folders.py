"""Looking through a folder for point files; what is passed over is counted."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ppkt_zoo.data.own_cloud import OWN_ENDINGS
from ppkt_zoo.data.readers.open import frames_format
from ppkt_zoo.data.subset import natural_key
from ppkt_zoo.encoding.own_outputs import OwnOutputs, is_group
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.reading import open_regular
from ppkt_zoo.files.text import first_few
from ppkt_zoo.points.files.tables import TEXT_ENDINGS

# Endings that much else has too.
_UNSURE = (*TEXT_ENDINGS, ".npy", ".npz")
_LOOKED_AT = 4096
_BETWEEN = re.compile(r"[\s,;|]+")
_REMARKS = ("#", "//")
# A file in UTF-16 or UTF-32 is left to the reader of tables.
_WIDE = (b"\xff\xfe", b"\xfe\xff")


@dataclass
class Passed:
    """What was passed over in a folder.

    Attributes:
        others: names of files of other kinds.
        frames: folders of RGB-D frames.
        outputs: how many outputs of earlier runs.
        out: whether the folder of outputs lies in it.
        again: folders that links lead to once more.
    """

    others: list[str] = field(default_factory=list)
    frames: list[str] = field(default_factory=list)
    outputs: int = 0
    out: bool = False
    again: list[str] = field(default_factory=list)

    def why(self) -> str:
        """A few words on it, to stand behind a sentence; empty where there was nothing."""
        told = []
        if self.others:
            files = "file" if len(self.others) == 1 else "files"
            told.append(f"{len(self.others)} {files} of other kinds ({first_few(self.others)})")
        if self.out:
            told.append("the folder of outputs")
        if self.again:
            told.append(f"what links lead to once more ({first_few(self.again)})")
        return f"; passed over: {', '.join(told)}" if told else ""


def walk(
    folder: Path, out: Path, own: OwnOutputs, passed: Passed, deep: bool = True, sure: bool = False
) -> Iterator[Path]:
    """The point files and meshes of a folder and of those below it, in natural order.

    Links to folders are followed, each folder is entered once.

    Args:
        folder: looked through.
        out: the folder of outputs, resolved, which is not entered.
        own: tells outputs of earlier runs.
        passed: filled with what is passed over.
        deep: whether the folders below are entered.
        sure: leave out endings that other files have too.

    Raises:
        InputError: the folder cannot be read.
    """
    entered: set[tuple[int, int]] = set()
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        if not _enter(place, entered, passed, folder):
            continue
        folders = []
        for entry in _listed(place):
            path = Path(entry.path)
            if own.holds(path):
                passed.outputs += 1
            elif _is_folder(entry):
                folders += [path] if deep and _may_enter(path, out, passed) else []
            elif _is_cloud(path, sure):
                yield path
            else:
                passed.others.append(path.name)
        waiting += reversed(folders)


def _listed(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            shown = [entry for entry in entries if not entry.name.startswith(".") and entry.name != "__MACOSX"]
    except OSError as failure:
        raise InputError(f"{folder}: this folder cannot be read ({failure.strerror})") from failure
    # Files of a folder before those of the folders in it.
    return sorted(shown, key=lambda entry: (_is_folder(entry), natural_key(entry.name)))


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of links
        return False


def _enter(place: Path, entered: set[tuple[int, int]], passed: Passed, root: Path) -> bool:
    try:
        status = os.stat(place)
    except OSError as failure:
        raise InputError(f"{place}: this folder cannot be read ({failure.strerror})") from failure
    key = (status.st_dev, status.st_ino)
    if key in entered:
        passed.again.append(place.relative_to(root).as_posix())
        return False
    entered.add(key)
    return True


def _may_enter(path: Path, out: Path, passed: Passed) -> bool:
    if path.resolve() == out:
        passed.out = True
        return False
    if is_group(path):
        passed.others.append(path.name)
        return False
    if frames_format(path) is not None:
        passed.frames.append(path.name)
        return False
    return True


def _is_cloud(path: Path, sure: bool) -> bool:
    ending = path.suffix.lower()
    if ending not in OWN_ENDINGS or (sure and ending in _UNSURE):
        return False
    return ending not in TEXT_ENDINGS or _may_be_table(path)


def _may_be_table(path: Path) -> bool:
    """Whether a text has a row of three numbers near its beginning; what cannot be read may be one, and is told."""
    try:
        with open_regular(path, InputError) as stream:
            content = stream.read(_LOOKED_AT)
    except (InputError, OSError):
        return True
    if content.startswith(_WIDE):
        return True
    lines = content.decode("latin-1").splitlines()
    whole = lines if len(content) < _LOOKED_AT else lines[:-1]
    return any(_is_row(line) for line in whole)


def _is_row(line: str) -> bool:
    text = line.strip()
    if not text or text.startswith(_REMARKS):
        return False
    try:
        numbers = [float(part) for part in _BETWEEN.split(text)[:3]]
    except ValueError:
        return False
    return len(numbers) == 3

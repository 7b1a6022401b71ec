"""Listing a folder of frames in natural order; some frames of a source, and several sources as one."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ppkt_zoo.data.fingerprint import fingerprint_of, fingerprint_of_parts
from ppkt_zoo.data.frames import FrameSource, RGBDFrame
from ppkt_zoo.errors import FrameError
from ppkt_zoo.files.reading import is_hidden_twin, usable_path


def natural_key(text: str) -> tuple[tuple[int, str], ...]:
    """Sort key in which ``test9`` comes before ``test10``."""
    parts = re.split(r"(\d+)", text)
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in parts)


def existing_folder(path: Path | str) -> Path:
    """The path, if it is a folder; ``~`` is expanded.

    Raises:
        FrameError: it does not exist, is a file, or has a name that the system or UTF-8 cannot take.
    """
    folder = usable_path(path, FrameError, "folder of frames")
    if not folder.is_dir():
        found = "this is a file, not a folder of frames" if folder.exists() else "no such folder"
        raise FrameError(f"{folder}: {found}")
    check_name(folder)
    return folder


def entries(folder: Path) -> list[Path]:
    """What lies in a folder, by name, without the files that macOS lays beside others (``._name``, ``.DS_Store``).

    Raises:
        FrameError: the folder is missing or cannot be read.
    """
    try:
        return sorted(path for path in folder.iterdir() if not is_hidden_twin(path))
    except OSError as error:
        raise FrameError(f"{folder}: this folder cannot be read ({error.strerror})") from error


def check_name(path: Path) -> None:
    """Raise FrameError unless a name is in UTF-8, as records and shards write it down."""
    try:
        path.name.encode("utf-8")
    except UnicodeEncodeError:
        raise FrameError(f"{path}: this name is not in UTF-8: rename it") from None


class Subset:
    """Some frames of a source, in the order of the given indices (or a slice of them); a source itself.

    Raises:
        FrameError: an index is negative or beyond the end.
    """

    def __init__(self, source: FrameSource, indices: Iterable[int] | slice) -> None:
        size = len(source)
        if isinstance(indices, slice):
            indices = range(*indices.indices(size))
        self.indices = tuple(int(index) for index in indices)
        wrong = next((index for index in self.indices if not 0 <= index < size), None)
        if wrong is not None:
            raise FrameError(f"{source.name} has frames 0 to {size - 1}, there is no frame {wrong}")
        self._source, self.name = source, source.name

    def __len__(self) -> int:
        return len(self.indices)

    def color_file(self, index: int) -> Path | None:
        """Where a frame's colour is stored; None where the source does not tell."""
        find = getattr(self._source, "color_file", None)
        return None if find is None else find(self.indices[index])

    def fingerprint(self) -> str:
        """Digits that change when a frame does, see :func:`ppkt_zoo.data.fingerprint.fingerprint_of`."""
        return fingerprint_of_parts("subset", self.indices, fingerprint_of(self._source))

    def __getitem__(self, index: int) -> RGBDFrame:
        return self._source[self.indices[index]]


class EveryNth(Subset):
    """Every n-th frame of a source, whose name says so; ``identity`` is what decides the frames."""

    def __init__(self, source: FrameSource, every: int) -> None:
        super().__init__(source, slice(None, None, every))
        self._every = every
        self.identity = f"{getattr(source, 'identity', source.name)}-every{every}"
        if every != 1:
            self.name = f"{source.name}-every{every}"

    def fingerprint(self) -> str:
        """Digits that change when a frame does, see :func:`ppkt_zoo.data.fingerprint.fingerprint_of`."""
        return fingerprint_of_parts("every", self._every, fingerprint_of(self._source))


class Joined:
    """The frames of several sources, one source after the other; a source itself.

    Args:
        sources: the sources, at least one.
        name: what reports call them together.
    """

    def __init__(self, sources: Sequence[FrameSource], name: str) -> None:
        self._sources = tuple(sources)
        self.name = name
        self._ends = np.cumsum([len(source) for source in self._sources])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def fingerprint(self) -> str:
        """Digits that change when a frame does, see :func:`ppkt_zoo.data.fingerprint.fingerprint_of`."""
        return fingerprint_of_parts("joined", *(fingerprint_of(source) for source in self._sources))

    def __getitem__(self, index: int) -> RGBDFrame:
        if not 0 <= index < len(self):
            raise IndexError(f"{self.name} has frames 0 to {len(self) - 1}, there is no frame {index}")
        which = int(np.searchsorted(self._ends, index, side="right"))
        before = int(self._ends[which - 1]) if which else 0
        return self._sources[which][index - before]

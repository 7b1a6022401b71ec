"""Listing a folder of frames in natural order; some frames of a source, several as one, and which a step sees."""

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import floor, lcm
from pathlib import Path

import numpy as np

from ppkt_zoo.data.fingerprint import fingerprint_of, fingerprint_of_parts
from ppkt_zoo.data.frames import FrameSource, RGBDFrame
from ppkt_zoo.errors import FrameError, RecipeError
from ppkt_zoo.files.reading import is_hidden_twin, usable_path


class FrameOrder:
    """Which frames a step sees: a pure function of (seed, step), so that a resumed run sees the same.

    Every source gives ``per_step`` frames to each step, in random order; within an epoch no start comes twice.

    Args:
        seed: the run's seed.
        sizes: frames of each source.
        per_step: frames of each source a step. Where ``views`` does not divide it, on average: some steps get more.
        views: of each source, frames in a row that are always taken together; 1 where absent.
        scenes: of each source, frames in a row that belong to one scene, which views never leave.
    """

    def __init__(
        self,
        seed: int,
        sizes: Sequence[int],
        per_step: Sequence[int],
        views: Sequence[int] | None = None,
        scenes: Sequence[int] | None = None,
    ) -> None:
        self._seed, self._per_step = seed, per_step
        self._orders: dict[int, tuple[int, np.ndarray]] = {}
        self._views = [1] * len(sizes) if views is None else views
        # A frame may start a row where the row ends in the same scene.
        self._starts = [
            np.array([start for start in range(size - count + 1) if start % scene + count <= scene])
            for size, count, scene in zip(sizes, self._views, scenes or sizes, strict=True)
        ]
        empty = [number for number, starts in enumerate(self._starts) if not len(starts)]
        if empty:
            raise RecipeError(f"data entry {empty[0]} has {sizes[empty[0]]} frames, too few for views in a row")

    def __call__(self, step: int) -> list[tuple[int, int]]:
        """The step's frames as (source, index)."""
        return [frame for row in self.rows(step) for frame in row]

    def rows(self, step: int) -> list[list[tuple[int, int]]]:
        """The same, with the frames that are taken together in a list of their own."""
        rows = []
        for source, (starts, views) in enumerate(zip(self._starts, self._views, strict=True)):
            for draw in range(self._draws(source, step), self._draws(source, step + 1)):
                epoch, place = divmod(draw, len(starts))
                first = int(starts[self._shuffled(source, epoch)[place]])
                rows.append([(source, first + view) for view in range(views)])
        return rows

    def _shuffled(self, source: int, epoch: int) -> np.ndarray:
        """The order of a source's starts in an epoch; the last one asked for is kept."""
        kept = self._orders.get(source)
        if kept is None or kept[0] != epoch:
            rng = np.random.default_rng([self._seed, source, epoch])
            kept = self._orders[source] = (epoch, rng.permutation(len(self._starts[source])))
        return kept[1]

    @property
    def fewest_rows(self) -> int:
        """Rows of the poorest step."""
        # What a source gives repeats after as many steps as it has views.
        return min(len(self.rows(step)) for step in range(lcm(*self._views)))

    def _draws(self, source: int, step: int) -> int:
        """Rows of views that a source has given before ``step``; sources that skip steps skip different ones."""
        count = Fraction(step * self._per_step[source], self._views[source])
        return floor(count + Fraction(source, len(self._starts)))


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
    """Check that a name can be written down, as records and shards do with it.

    Raises:
        FrameError: it is not in UTF-8; the message shows it with the odd bytes written out.
    """
    try:
        path.name.encode("utf-8")
    except UnicodeEncodeError:
        raise FrameError(f"{path}: this name is not in UTF-8: rename it") from None


class Subset:
    """Some frames of a source, in the order of the given indices; a source itself."""

    def __init__(self, source: FrameSource, indices: Iterable[int] | slice) -> None:
        size = len(source)
        if isinstance(indices, slice):
            indices = range(*indices.indices(size))
        self.indices = tuple(int(index) for index in indices)
        wrong = next((index for index in self.indices if not 0 <= index < size), None)
        if wrong is not None:
            raise FrameError(f"{source.name} has frames 0 to {size - 1}, there is no frame {wrong}")
        self._source = source

    @property
    def name(self) -> str:
        """The name of the source that the frames are of."""
        return self._source.name

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


def subset(source: FrameSource, indices: Iterable[int] | slice) -> Subset:
    """The frames of a source at these indices (numbers, or a slice such as ``slice(0, None, 10)``).

    Raises:
        FrameError: an index is negative or beyond the end.
    """
    return Subset(source, indices)


class EveryNth(Subset):
    """Every n-th frame of a source."""

    def __init__(self, source: FrameSource, every: int) -> None:
        super().__init__(source, slice(None, None, every))
        self._every = every

    @property
    def name(self) -> str:
        """The source's name, with the step where it isn't one."""
        return self._source.name if self._every == 1 else f"{self._source.name}-every{self._every}"

    @property
    def identity(self) -> str:
        """What decides its frames: those of the source, and the step."""
        return f"{getattr(self._source, 'identity', self._source.name)}-every{self._every}"

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
        self._name = name
        self._ends = np.cumsum([len(source) for source in self._sources])

    @property
    def name(self) -> str:
        """What reports call these sources."""
        return self._name

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

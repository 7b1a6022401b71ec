"""From a recipe's data entries to frame sources, and to the data part of a weight's record."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import floor, lcm
from pathlib import Path

import numpy as np

from ppkt_zoo.data.fingerprint import fingerprint_of, fingerprint_of_parts
from ppkt_zoo.data.frames import FrameSource, RGBDFrame
from ppkt_zoo.data.open_frames import open_frames
from ppkt_zoo.data.rooms import RoomsFrames
from ppkt_zoo.errors import RecipeError
from ppkt_zoo.train.recipe import DataEntry, FramesData, Recipe, RoomsData
from ppkt_zoo.zoo.names import did_you_mean


class EveryNth:
    """Every n-th frame of a source."""

    def __init__(self, source: FrameSource, every: int) -> None:
        self._source = source
        self._indices = range(0, len(source), every)

    @property
    def name(self) -> str:
        """The source's name, with the step where it isn't one."""
        step = self._indices.step
        return self._source.name if step == 1 else f"{self._source.name}-every{step}"

    @property
    def identity(self) -> str:
        """What decides its frames: those of the source, and the step."""
        return f"{getattr(self._source, 'identity', self._source.name)}-every{self._indices.step}"

    def fingerprint(self) -> str:
        """Digits that change when a frame does, see :func:`ppkt_zoo.data.fingerprint.fingerprint_of`."""
        return fingerprint_of_parts("every", self._indices.step, fingerprint_of(self._source))

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> RGBDFrame:
        return self._source[self._indices[index]]


def open_sources(recipe: Recipe, data: Mapping[str, Path], cache: Path) -> list[FrameSource]:
    """Open every data entry of a recipe, in its order.

    Args:
        recipe: the recipe.
        data: folder of each ``kind: frames`` entry, by the entry's name.
        cache: folder for rendered rooms.

    Raises:
        RecipeError: a folder is not given, or one is given that the recipe does not name.
        FrameError: a folder holds no frames of a known format.
    """
    wanted = {entry.name for entry in recipe.data if isinstance(entry, FramesData)}
    missing, unknown = sorted(wanted - set(data)), sorted(set(data) - wanted)
    if unknown:
        meant = f"{did_you_mean(unknown[0], wanted)} " if wanted else ""
        raise RecipeError(
            f"the recipe names no data {', '.join(unknown)}: {meant}it names: {', '.join(sorted(wanted)) or 'none'}"
        )
    if missing:
        options = " ".join(f"--data {name}=PATH" for name in missing)
        raise RecipeError(f"the recipe needs folders that were not given: {options}")
    return [open_entry(entry, data, cache) for entry in recipe.data]


def open_entry(entry: DataEntry, data: Mapping[str, Path], cache: Path) -> FrameSource:
    """Open one data entry of a recipe."""
    if isinstance(entry, RoomsData):
        return RoomsFrames(
            entry.seed,
            entry.rooms,
            entry.frames_per_room,
            height=entry.height,
            width=entry.width,
            sensor_noise=entry.sensor_noise,
            cache=cache / "rooms",
            close_ups=entry.close_ups,
            walk=entry.walk,
        )
    source = open_frames(data[entry.name])
    return EveryNth(source, entry.every) if entry.every > 1 else source


def data_fingerprint(sources: Sequence[FrameSource]) -> dict[str, str]:
    """What decides the frames of each source: its name → 64 hexadecimal digits.

    They change when a frame is added, removed, renamed or edited, and stay when the folder moves or is copied. The
    second source of one name is called ``NAME (2)``.

    Raises:
        FrameError: a file cannot be read.
    """
    digits: dict[str, str] = {}
    for source in sources:
        name, number = source.name, 2
        while name in digits:
            name, number = f"{source.name} ({number})", number + 1
        digits[name] = fingerprint_of(source)
    return digits


def scene_length(entry: DataEntry, source: FrameSource) -> int:
    """How many frames in a row of a source show one scene."""
    return entry.frames_per_room if isinstance(entry, RoomsData) else len(source)


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

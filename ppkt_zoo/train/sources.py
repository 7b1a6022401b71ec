"""From a recipe's data entries to frame sources, and to the data part of a weight's record."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ppkt_zoo.data.frames import FrameSource, RGBDFrame
from ppkt_zoo.data.open_frames import open_frames
from ppkt_zoo.data.rooms import RoomsFrames
from ppkt_zoo.errors import RecipeError
from ppkt_zoo.train.recipe import DataEntry, FramesData, Recipe, RoomsData


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
    if missing:
        options = " ".join(f"--data {name}=PATH" for name in missing)
        raise RecipeError(f"the recipe needs folders that were not given: {options}")
    if unknown:
        raise RecipeError(
            f"the recipe names no data {', '.join(unknown)}; it names: {', '.join(sorted(wanted)) or 'none'}"
        )
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
        )
    source = open_frames(data[entry.name])
    return EveryNth(source, entry.every) if entry.every > 1 else source


class FrameOrder:
    """Which frames a step sees: a pure function of (seed, step), so that a resumed run sees the same.

    Every source gives its ``per_step`` frames to each step, in random order without repetition within an epoch.
    """

    def __init__(self, seed: int, sizes: list[int], per_step: list[int]) -> None:
        self._seed, self._sizes, self._per_step = seed, sizes, per_step

    def __call__(self, step: int) -> list[tuple[int, int]]:
        """The step's frames as (source, index)."""
        frames = []
        for source, (size, count) in enumerate(zip(self._sizes, self._per_step, strict=True)):
            for draw in range(step * count, (step + 1) * count):
                epoch, place = divmod(draw, size)
                order = np.random.default_rng([self._seed, source, epoch]).permutation(size)
                frames.append((source, int(order[place])))
        return frames

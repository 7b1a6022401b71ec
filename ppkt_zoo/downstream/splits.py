"""From a recipe's data section to scenes: those to train on, to watch, and to report on."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ppkt_zoo.data.frame_scenes import FrameScenes
from ppkt_zoo.data.open_frames import open_frames
from ppkt_zoo.data.rooms.bench import rooms_bench
from ppkt_zoo.data.s3dis import S3DIS
from ppkt_zoo.data.scannet.scenes import ScanNetScenes
from ppkt_zoo.data.scenes import LabelledScene, SceneSource
from ppkt_zoo.data.sun_scenes import SunScenes
from ppkt_zoo.downstream.recipe import DownstreamRecipe, LabelledFramesData, RoomsBenchData, S3DISData, ScanNetData
from ppkt_zoo.errors import InputError, RecipeError

# Which scenes a part of a data set holds must not change with a run's own seed: runs are compared on equal data.
_FRACTION_SEED = 20_104
_ROUNDING = 0.05


class SomeScenes:
    """Some scenes of a source, by their numbers. A SceneSource."""

    def __init__(self, source: SceneSource, numbers: Sequence[int]) -> None:
        if not numbers:
            raise InputError(f"{source.name}: no scene was chosen")
        self._source, self._numbers = source, tuple(numbers)
        self.name, self.classes, self.box_classes = source.name, source.classes, source.box_classes

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: int) -> LabelledScene:
        return self._source[self._numbers[index]]


class Splits(NamedTuple):
    """A data set as a protocol divides it.

    Attributes:
        train: scenes to learn from, the recipe's fraction of them.
        validation: to choose by, or None where the protocol has none apart from the test.
        test: to report on.
    """

    train: SceneSource
    validation: SceneSource | None
    test: SceneSource


def open_splits(recipe: DownstreamRecipe, folders: Mapping[str, Path], cache: Path, boxes: bool = False) -> Splits:
    """The scenes that a recipe names.

    Args:
        recipe: its ``data`` and ``fraction`` are looked at.
        folders: ``s3dis``, ``scannet`` or ``sun_rgbd`` → the folder, where the recipe wants one.
        cache: for the scans of rooms.
        boxes: whether the scenes must come with their boxes.

    Raises:
        RecipeError: a folder is missing, or one is given that nobody wants.
        FrameError, InputError: as the readers do.
    """
    section = recipe.data
    wanted: set[str] = set() if isinstance(section, RoomsBenchData) else {section.kind}
    _check_folders(set(folders), wanted)
    if isinstance(section, RoomsBenchData):
        bench = rooms_bench(section.version)
        train: SceneSource = bench.train(recipe.fraction, cache)
        return Splits(
            _first(train, section.train),
            _first(bench.validation(cache), section.validation),
            _first(bench.test(cache), section.test),
        )
    folder = folders[section.kind]
    if isinstance(section, LabelledFramesData):
        return _framed(
            section, FrameScenes(open_frames(folder, section.intrinsics), pixel_stride=section.pixel_stride), recipe
        )
    if isinstance(section, S3DISData):
        both: list[SceneSource] = [S3DIS(folder, areas) for areas in (section.train_areas, section.test_areas)]
    else:
        lists = [folder / name for name in (section.train_list, section.test_list)]
        if isinstance(section, ScanNetData):
            both = [ScanNetScenes(folder, scenes=names, boxes=boxes) for names in lists]
        else:
            both = [_listed(SunScenes(folder), names) for names in lists]
    return Splits(fraction_of(both[0], recipe.fraction), None, both[1])


def fraction_of(source: SceneSource, fraction: float) -> SceneSource:
    """A fixed part of a source, at least one scene; a smaller part lies in every larger one."""
    if fraction == 1:
        return source
    order = np.random.default_rng(_FRACTION_SEED).permutation(len(source))
    # A fraction written with few digits, such as 0.0167 for 1 of 60, is not to give a scene more.
    count = max(1, math.ceil(fraction * len(source) - _ROUNDING))
    return SomeScenes(source, sorted(order[:count].tolist()))


def _framed(section: LabelledFramesData, frames: FrameScenes, recipe: DownstreamRecipe) -> Splits:
    """The last frames by name to test on, some before them to choose by, a fixed choice of the others to learn from."""
    pool = len(frames) - section.test - section.validation
    if pool < section.train:
        raise RecipeError(
            f"{frames.name} has {len(frames)} frames: {section.test} for the test and {section.validation} for "
            f"validation leave {max(pool, 0)}, fewer than the {section.train} to learn from"
        )
    order = np.random.default_rng(_FRACTION_SEED).permutation(pool)[: section.train]
    labelled = SomeScenes(frames, order.tolist())
    watched = range(pool, pool + section.validation)
    return Splits(
        fraction_of(labelled, recipe.fraction),
        SomeScenes(frames, watched) if section.validation else None,
        SomeScenes(frames, range(pool + section.validation, len(frames))),
    )


def _listed(source: SunScenes, file: Path) -> SceneSource:
    """The frames of SUN RGB-D that a list names by their paths."""
    try:
        wanted = file.read_text(encoding="utf-8").split()
    except FileNotFoundError:
        raise RecipeError(f"{file} is missing: write the paths of the split's frames into it, one a line") from None
    numbers = {source.frames.path(number): number for number in range(len(source))}
    if unknown := [path for path in wanted if path.strip("/") not in numbers]:
        raise RecipeError(f"{file} names {unknown[0]}, which is no frame below {source.frames.folder}")
    return SomeScenes(source, [numbers[path.strip("/")] for path in wanted])


def _first(source: SceneSource, count: int | None) -> SceneSource:
    return source if count is None else SomeScenes(source, range(min(count, len(source))))


def _check_folders(given: set[str], wanted: set[str]) -> None:
    if missing := wanted - given:
        name = min(missing)
        raise RecipeError(f"the recipe's data needs a folder: give --data {name}=PATH")
    if superfluous := given - wanted:
        raise RecipeError(f"the recipe's data has no use for the folder of {', '.join(sorted(superfluous))}")

"""From a recipe's data section to scenes: those to train on, to watch, and to report on."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ppkt_zoo.data.readers.labelled_folder import LabelledFolder
from ppkt_zoo.data.readers.open import open_frames
from ppkt_zoo.data.readers.s3dis import S3DIS
from ppkt_zoo.data.readers.scannet.scenes import ScanNetScenes
from ppkt_zoo.data.readers.sun_rgbd import SunScenes
from ppkt_zoo.data.scenes import FrameScenes, JoinedScenes, LabelledScene, SceneSource
from ppkt_zoo.downstream.own_scans import divide_scans
from ppkt_zoo.downstream.recipe import (
    DownstreamRecipe,
    LabelledFramesData,
    OwnData,
    RoomsBenchData,
    S3DISData,
    ScanNetData,
)
from ppkt_zoo.errors import InputError, RecipeError
from ppkt_zoo.rooms.partial_scans import PartialScans
from ppkt_zoo.rooms.scenes import rooms_bench

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
        # What the user's files call the classes, where the source knows it.
        self.class_ids: tuple[int, ...] = getattr(source, "class_ids", ())
        self.class_colors: Mapping[str, tuple[int, int, int]] = getattr(source, "class_colors", {})
        of_part = getattr(source, "fingerprint_of", None)
        if of_part is not None:
            # Only where the source can tell: others are looked at, scene by scene.
            self.fingerprint = partial(of_part, self._numbers)
            self.fingerprint_of = partial(_fingerprint_of_some, of_part, self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: int) -> LabelledScene:
        return self._source[self._numbers[index]]


def _fingerprint_of_some(of_part: Callable[..., str], numbers: tuple[int, ...], chosen: Sequence[int]) -> str:
    return of_part([numbers[one] for one in chosen])


class _Parts(NamedTuple):
    train: SceneSource
    validation: SceneSource | None
    test: SceneSource


class Splits(_Parts):
    """A data set as a protocol divides it.

    Attributes:
        train: scenes to learn from, the recipe's fraction of them.
        validation: to choose by, or None where the protocol has none apart from the test.
        test: to report on.
        told: how the scenes were divided, where no protocol says it; no part of the tuple.
    """

    told: str = ""


def open_splits(recipe: DownstreamRecipe, folders: Mapping[str, Path], cache: Path, boxes: bool = False) -> Splits:
    """The scenes that a recipe names.

    Args:
        recipe: its ``data`` and ``fraction`` are looked at.
        folders: ``s3dis``, ``scannet``, ``sun_rgbd``, ``labelled_frames`` or ``own`` → the folder, where the recipe
            wants one.
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
        rooms = _first(bench.train(recipe.fraction, cache, section.more_rooms), section.train)
        train = rooms
        if section.partial_scans:
            partial_scans = PartialScans(bench.train_seed, len(rooms), section.partial_scans, cache)
            train = JoinedScenes([rooms, partial_scans], f"{rooms.name} and {partial_scans.name}")
        return Splits(
            train,
            _first(bench.validation(cache), section.validation),
            _first(bench.test(cache), section.test),
        )
    folder = folders[section.kind]
    if isinstance(section, OwnData):
        return _own(section, folder, recipe, boxes)
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


def _own(section: OwnData, folder: Path, recipe: DownstreamRecipe, boxes: bool) -> Splits:
    divided = divide_scans(folder, section.test_part, section.validation_part)
    files = (*divided.train, *divided.validation, *divided.test)
    # One source for all parts: what they hold together says which classes there are.
    scans = LabelledFolder(folder, files, labels=not boxes, boxes=boxes, label=section.label, color=section.color)
    learned, tested = len(divided.train), len(files) - len(divided.test)
    splits = Splits(
        fraction_of(SomeScenes(scans, range(learned)), recipe.fraction),
        SomeScenes(scans, range(learned, tested)) if divided.validation else None,
        SomeScenes(scans, range(tested, len(files))),
    )
    splits.told = divided.told
    return splits


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
    missing, superfluous = sorted(wanted - given), sorted(given - wanted)
    mend = f"give --data {missing[0]}=PATH" if missing else "leave it out"
    if superfluous:
        raise RecipeError(f"the recipe's data has no use for the folder of {', '.join(superfluous)}: {mend}")
    if missing:
        raise RecipeError(f"the recipe's data needs a folder: {mend}")

"""`run_grid`: a fine-tuning from several starts, with several parts of the labels, under several seeds."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ppkt_zoo.data.fingerprint import fingerprint_of_parts
from ppkt_zoo.data.scenes import SceneSource
from ppkt_zoo.downstream.grid_cells import check_one_data, check_one_start, keep_the_figures, kept_scores, tidy
from ppkt_zoo.downstream.recipe import DownstreamRecipe
from ppkt_zoo.downstream.sampler import scenes_fingerprint
from ppkt_zoo.downstream.splits import open_splits
from ppkt_zoo.downstream.start import check_same_start
from ppkt_zoo.errors import InputError, RecipeError, TrainingError, UnknownNameError, WeightError
from ppkt_zoo.files.locks import FolderLock
from ppkt_zoo.files.targets import check_folder_target

TaskName = Literal["segmentation", "detection"]


@dataclass(frozen=True)
class Cell:
    """One run of a grid: what the table calls its start, the part of the training scenes, and the seed."""

    start: str
    fraction: float
    seed: int

    def folder(self, out: Path) -> Path:
        """Where the run lies below a grid's folder."""
        return out / "cells" / self.start / f"{self.fraction:g}" / str(self.seed)


@dataclass(frozen=True)
class Grid:
    """What is compared.

    Attributes:
        task: what is learned.
        recipe: a YAML file, or the name of one that ships.
        overrides: ``key=value`` of every run.
        starts: name in the table → ``init`` of the recipe.
        fractions: of the training scenes.
        seeds: how many; 0, 1, …
        own: name in the table → ``key=value`` of that start's runs alone, such as the learning rate that suits it.

    Raises:
        InputError: nothing to compare, a name that makes no folder, or overrides of a start that isn't there.
    """

    task: TaskName
    recipe: str
    overrides: tuple[str, ...]
    starts: Mapping[str, str]
    fractions: tuple[float, ...]
    seeds: int
    own: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.starts or not self.fractions or self.seeds < 1:
            raise InputError("a grid needs at least one start, one fraction and one seed")
        wrong = [name for name in self.starts if not name.replace("-", "").replace("_", "").replace(".", "").isalnum()]
        if wrong:
            raise InputError(f"start {wrong[0]!r}: give a name of letters, digits, '.', '-' and '_'")
        if unknown := sorted(set(self.own) - set(self.starts)):
            raise InputError(f"overrides for {unknown[0]!r}, which is no start: there are {', '.join(self.starts)}")

    def cells(self) -> list[Cell]:
        """All runs: seeds outermost, so that a grid that was stopped has compared like with like."""
        return [
            Cell(start, fraction, seed)
            for seed in range(self.seeds)
            for fraction in self.fractions
            for start in self.starts
        ]

    def load(self, cell: Cell) -> DownstreamRecipe:
        """The recipe of one run; RecipeError as reading it does."""
        load = _task(self.task)[0]
        of_cell = (f"init={self.starts[cell.start]}", f"fraction={cell.fraction:g}", f"seed={cell.seed}")
        return load(self.recipe, (*self.overrides, *self.own.get(cell.start, ()), *of_cell))


def run_grid(
    grid: Grid,
    out: Path,
    *,
    folders: Mapping[str, Path],
    cache: Path,
    rank: int = 0,
    ranks: int = 1,
    workers: int = 0,
    device: str = "cpu",
    on: Literal["test", "validation"] = "test",
    report: Callable[[Cell, int, int], None] | None = None,
) -> None:
    """Do the runs that have no scores yet; one that was stopped goes on from its checkpoint.

    Several processes may work in one ``out``: what another one works on is left to it, and waited for at the end.

    Each run lies in a folder of its own, and only its ``scores.json`` and ``metrics.jsonl`` stay: a grid's models
    would fill a disk.

    Args:
        grid: what is compared.
        out: of the whole grid.
        folders: ``--data`` of the recipe, by name.
        cache: for the scans of rooms.
        rank, ranks: of several processes or machines that share the runs, which one this is.
        workers, device: as for ``fit_segmentation`` and ``fit_detection``.
        on: the scenes that are scored: to choose a learning rate by the validation, to report the test.
        report: told (cell, runs of this process done, of how many) before each run.

    Raises:
        TrainingError: a run's folder holds the scores of another recipe, on other scenes or from a weight that has
            changed since, or none that can be read.
        RecipeError: the recipe's data has no validation scenes, and those were asked for.
        Stopped: a stop was asked for; the same call goes on.
        InputError, WeightError: as the runs do.
    """
    check_folder_target(out, TrainingError, "--out")
    mine = grid.cells()[rank::ranks]
    left = list(enumerate(mine))
    settings: dict[str, Any] = {"folders": folders, "cache": cache, "workers": workers, "device": device, "on": on}
    # What another process works on comes last, when that one is likely done: only then are the scores complete.
    for wait in (0, None):
        busy: list[tuple[int, Cell]] = []
        for number, cell in left:
            if report is not None:
                report(cell, number, len(mine))
            try:
                run_cell(grid, cell, out, **settings, wait=wait)
            except _BusyError:
                busy.append((number, cell))
        left = busy


def run_cell(
    grid: Grid,
    cell: Cell,
    out: Path,
    *,
    folders: Mapping[str, Path],
    cache: Path,
    workers: int = 0,
    device: str = "cpu",
    on: Literal["test", "validation"] = "test",
    wait: float | None = None,
) -> None:
    """One run of a grid, unless it has its scores already; arguments and errors as for :func:`run_grid`.

    Args:
        wait: seconds to wait for another process that works on the same run; None for as long as it takes.
    """
    _, fit, boxes = _task(grid.task)
    recipe, folder = grid.load(cell), cell.folder(out)
    # Beside the run's folder, where nothing but its figures stays.
    lock = folder.with_name(f".{folder.name}.lock")
    with FolderLock(lock, f"the run {folder}", "or let it do that one", _BusyError, wait):
        if (scores := kept_scores(folder, recipe, on)) is not None:
            # A weight that is gone is no other weight: what was measured from it stands.
            with suppress(UnknownNameError, WeightError):
                check_same_start(scores, recipe.init, recipe.init, folder)
            tidy(folder)
            return
        splits = open_splits(recipe, folders, cache, boxes)
        scored = splits.test if on == "test" else splits.validation
        if scored is None:
            raise RecipeError(f"the data of {grid.recipe} has no validation scenes: score the test")
        fit(recipe, splits.train, splits.validation, folder, test=scored, workers=workers, device=device)
        data = {"train": _digits(splits.train), "test": _digits(scored)}
        keep_the_figures(folder, recipe, on, data)


def read_grid(grid: Grid, out: Path, on: Literal["test", "validation"] = "test") -> dict[Cell, dict[str, Any]]:
    """The scores of every run that is done.

    Raises:
        TrainingError: a run's folder holds the scores of another recipe, or on other scenes, or none that can be read;
            or two runs had other data, or began with different weights of one name.
    """
    found = {cell: kept_scores(cell.folder(out), grid.load(cell), on) for cell in grid.cells()}
    done = {cell: scores for cell, scores in found.items() if scores is not None}
    check_one_data((cell.fraction, cell.folder(out), scores) for cell, scores in done.items())
    check_one_start((cell.start, cell.folder(out), scores) for cell, scores in done.items())
    return done


def _digits(scenes: SceneSource) -> str:
    return fingerprint_of_parts(scenes_fingerprint(scenes), scenes.classes, scenes.box_classes)


class _BusyError(TrainingError):
    """Another process works on a run."""


def _task(name: TaskName) -> tuple[Callable[..., DownstreamRecipe], Callable[..., Any], bool]:
    """How a task's recipe is read and run, and whether its scenes must have boxes."""
    if name == "segmentation":
        from ppkt_zoo.downstream.segmentation import fit_segmentation, load_segmentation_recipe

        return load_segmentation_recipe, fit_segmentation, False
    from ppkt_zoo.downstream.detection import fit_detection, load_detection_recipe

    return load_detection_recipe, fit_detection, True

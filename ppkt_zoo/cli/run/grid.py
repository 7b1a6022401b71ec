"""Run a grid of fine-tunings, and write its table and its plot."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from accelerate import PartialState
from PIL import Image

from ppkt_zoo.cli.answers.train import Compared, GridRun
from ppkt_zoo.cli.options import named_values
from ppkt_zoo.cli.streams import say
from ppkt_zoo.downstream.grid import Cell, Grid, read_grid, run_grid
from ppkt_zoo.errors import InputError
from ppkt_zoo.evaluation.statistics import Interval, mean_interval, paired_difference
from ppkt_zoo.files.optional import need
from ppkt_zoo.files.writing import write_json, write_whole
from ppkt_zoo.visualization.picture import save_picture
from ppkt_zoo.visualization.plots import PALETTE, as_image, new_figure

if TYPE_CHECKING:
    from ppkt_zoo.cli.train import Run

FIGURES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "segmentation": (("miou", "mIoU"), ("macc", "mAcc")),
    "detection": (("map25", "mAP@0.25"), ("map50", "mAP@0.5")),
}
"""Of each task: name in scores.json, and what tables call it."""

Scores = Mapping[Cell, Mapping[str, Any]]


def compare(
    task: Literal["segmentation", "detection"],
    run: "Run",
    init: list[str],
    own: list[str],
    fractions: list[float] | None,
    seeds: int,
    out: Path,
    on: Literal["test", "validation"],
) -> Compared | None:
    """Do every run that has no scores yet, then write ``grid.md``, ``grid.png`` and ``grid.json``.

    Args:
        init: ``NAME=WEIGHT`` each; the first is what the others are compared with.
        own: ``NAME:KEY=VALUE`` each.

    Raises:
        Stopped: a run was stopped with a checkpoint.
        InputError, RecipeError: something about the options or the recipe does not fit.
    """
    starts = named_values("--init", "WEIGHT", "scratch=random", init)
    if not starts:
        raise InputError("a grid compares initialisations: give --init NAME=WEIGHT, e.g. --init scratch=random")
    asked = Grid(task, run.recipe, tuple(run.overrides or ()), starts, tuple(fractions or (1.0,)), seeds, _own(own))
    if seeds > 1:
        check_libraries()
    state = PartialState(cpu=run.device == "cpu")

    def report(cell: Cell, done: int, total: int) -> None:
        say(f"{done + 1} of {total}", "bold cyan", f"{cell.start}, {cell.fraction:.0%} of the labels, seed {cell.seed}")

    run_grid(
        asked,
        out,
        folders=run.folders,
        cache=run.kept,
        rank=state.process_index,
        ranks=state.num_processes,
        workers=run.workers,
        device=run.device,
        on=on,
        report=report,
    )
    state.wait_for_everyone()
    return _write(asked, out, on) if state.is_main_process else None


def _own(entries: list[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for entry in entries:
        name, colon, override = entry.partition(":")
        if not colon or not name or "=" not in override:
            raise InputError(f"--only-for {entry!r} must be NAME:KEY=VALUE, e.g. scratch:optimiser.lr=0.006")
        found[name] = (*found.get(name, ()), override)
    return found


def _write(grid: Grid, out: Path, on: Literal["test", "validation"]) -> Compared:
    scores = read_grid(grid, out, on)
    rows = [{**asdict(cell), "scores": figures} for cell, figures in scores.items()]
    write_json(out / "grid.json", rows, InputError)
    if grid.seeds < 2:
        say("written", "bold green", f"{out / 'grid.json'}; a table with intervals needs two seeds")
        return _answer(grid, scores, on, (out / "grid.json",))
    table = grid_table(grid, scores)
    write_whole(out / "grid.md", table + "\n", InputError)
    save_picture(grid_picture(grid, scores), out / "grid.png")
    say("written", "bold green", f"{out}: grid.md, grid.png, grid.json")
    return _answer(grid, scores, on, tuple(out / name for name in ("grid.md", "grid.png", "grid.json")), table)


def _answer(
    grid: Grid, scores: Scores, on: Literal["test", "validation"], files: tuple[Path, ...], table: str | None = None
) -> Compared:
    runs = tuple(
        GridRun(start=cell.start, fraction=cell.fraction, seed=cell.seed, scores=_figures(figures))
        for cell, figures in scores.items()
    )
    return Compared(task=grid.task, scored_on=on, runs=runs, table=table, files=files)


def _figures(scores: Mapping[str, Any]) -> dict[str, float | None]:
    """The numbers of a scores.json; it holds a table of classes too."""
    return {name: value for name, value in scores.items() if value is None or isinstance(value, int | float)}


def check_libraries() -> None:
    """Ask before the first of many runs for what the table and the plot need after the last.

    Raises:
        MissingLibraryError: scipy or matplotlib is not installed.
    """
    for module in ("scipy.stats", "matplotlib.figure"):
        need(module, "eval", "a grid of more than one seed, with its table and plot of intervals,")


def grid_table(grid: Grid, scores: Scores) -> str:
    """Markdown: a row for each fraction and start with mean and interval, and the difference to the first start.

    Differences are paired by seed: both runs of a pair saw the same scenes in the same order.

    Raises:
        InputError: a start has fewer than two runs at some fraction, or a run has no score.
    """
    first = next(iter(grid.starts))
    names = FIGURES[grid.task]
    head = ["labels", "start", "seeds", *(name for _, name in names), f"{names[0][1]} over {first}"]
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join(["---", "---", *["---:"] * (len(head) - 2)]) + " |"]
    for fraction in grid.fractions:
        for start in grid.starts:
            seeds = _seeds(scores, start, fraction)
            shown = [str(mean_interval(_values(scores, start, fraction, seeds, key))) for key, _ in names]
            both = [seed for seed in seeds if seed in _seeds(scores, first, fraction)]
            over = "" if start == first else f"{_over(scores, start, first, fraction, both, names[0][0]):+.3f}"
            lines.append("| " + " | ".join([f"{fraction:.0%}", start, str(len(seeds)), *shown, over]) + " |")
    return "\n".join(lines)


def grid_picture(grid: Grid, scores: Scores) -> Image.Image:
    """The task's main figure over the part of the labels, a line for each start, with its interval as a band.

    Raises:
        InputError: as for :func:`grid_table`.
        MissingLibraryError: matplotlib is not installed.
    """
    key, name = FIGURES[grid.task][0]
    figure = new_figure(5.6, 3.9)
    axes = figure.subplots()
    fractions = sorted(grid.fractions)
    for number, start in enumerate(grid.starts):
        found = [
            mean_interval(_values(scores, start, fraction, _seeds(scores, start, fraction), key))
            for fraction in fractions
        ]
        color, percent = PALETTE[number % len(PALETTE)], [100 * fraction for fraction in fractions]
        axes.plot(percent, [one.mean for one in found], "o-", color=color, label=start, linewidth=1.5, markersize=4)
        axes.fill_between(percent, [one.low for one in found], [one.high for one in found], color=color, alpha=0.15)
    if len(fractions) > 1:
        axes.set_xscale("log")
    axes.set_xticks(percent, [f"{one:g} %" for one in percent])
    axes.minorticks_off()
    axes.set_xlabel("of the labelled scenes", fontsize=9)
    axes.set_ylabel(f"{name}, mean and 95 % interval", fontsize=9)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    axes.legend(frameon=False, fontsize=9)
    figure.tight_layout()
    return as_image(figure)


def _seeds(scores: Scores, start: str, fraction: float) -> list[int]:
    seeds = sorted(cell.seed for cell in scores if (cell.start, cell.fraction) == (start, fraction))
    if len(seeds) < 2:
        raise InputError(f"{start} at {fraction:.0%} of the labels has {len(seeds)} runs: an interval needs two seeds")
    return seeds


def _values(scores: Scores, start: str, fraction: float, seeds: Sequence[int], key: str) -> list[float]:
    values: list[float] = []
    for seed in seeds:
        value = scores[Cell(start, fraction, seed)].get(key)
        if not isinstance(value, int | float):
            raise InputError(
                f"the run of {start} with {fraction:.0%} of the labels and seed {seed} has no {key}: nothing that it "
                "was tested on has a label of a known class"
            )
        values.append(float(value))
    return values


def _over(scores: Scores, start: str, first: str, fraction: float, seeds: Sequence[int], key: str) -> Interval:
    ours, theirs = (_values(scores, one, fraction, seeds, key) for one in (start, first))
    return paired_difference(ours, theirs)

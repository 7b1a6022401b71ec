"""Run a grid of fine-tunings, and write its table and its plot."""

from dataclasses import asdict
from pathlib import Path
from typing import Literal

from accelerate import PartialState

from ppkt_zoo.cli.run.grid_report import check_libraries, grid_picture, grid_table
from ppkt_zoo.cli.streams import new_console, say, tell_written
from ppkt_zoo.downstream.grid import Cell, Grid, read_grid, run_grid
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.cache import default_cache
from ppkt_zoo.files.writing import write_json, write_whole
from ppkt_zoo.visualization.picture import save_picture


def compare(
    task: Literal["segmentation", "detection"],
    recipe: str,
    overrides: list[str],
    init: list[str],
    own: list[str],
    fractions: list[float] | None,
    seeds: int,
    data: dict[str, Path],
    out: Path,
    cache: Path | None,
    workers: int,
    device: str,
    on: Literal["test", "validation"],
) -> None:
    """Do every run that has no scores yet, then write ``grid.md``, ``grid.png`` and ``grid.json``.

    Args:
        init: ``NAME=WEIGHT`` each; the first is what the others are compared with.
        own: ``NAME:KEY=VALUE`` each.

    Raises:
        Stopped: a run was stopped with a checkpoint.
        InputError, RecipeError: something about the options or the recipe does not fit.
    """
    asked = Grid(task, recipe, tuple(overrides), _starts(init), tuple(fractions or (1.0,)), seeds, _own(own))
    if seeds > 1:
        check_libraries()
    state = PartialState(cpu=device == "cpu")

    def report(cell: Cell, done: int, total: int) -> None:
        say(f"{done + 1} of {total}", "bold cyan", f"{cell.start}, {cell.fraction:.0%} of the labels, seed {cell.seed}")

    run_grid(
        asked,
        out,
        folders=data,
        cache=default_cache() if cache is None else cache,
        rank=state.process_index,
        ranks=state.num_processes,
        workers=workers,
        device=device,
        on=on,
        report=report,
    )
    state.wait_for_everyone()
    if state.is_main_process:
        _write(asked, out, on)


def _starts(entries: list[str]) -> dict[str, str]:
    starts: dict[str, str] = {}
    for entry in entries:
        name, equals, weight = entry.partition("=")
        if not equals or not name or not weight or name in starts:
            raise InputError(f"--init {entry!r} must be NAME=WEIGHT, each name once, e.g. --init scratch=random")
        starts[name] = weight
    if not starts:
        raise InputError("a grid compares initialisations: give --init NAME=WEIGHT, e.g. --init scratch=random")
    return starts


def _own(entries: list[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for entry in entries:
        name, colon, override = entry.partition(":")
        if not colon or not name or "=" not in override:
            raise InputError(f"--only-for {entry!r} must be NAME:KEY=VALUE, e.g. scratch:optimiser.lr=0.006")
        found[name] = (*found.get(name, ()), override)
    return found


def _write(grid: Grid, out: Path, on: Literal["test", "validation"]) -> None:
    scores = read_grid(grid, out, on)
    rows = [{**asdict(cell), "scores": figures} for cell, figures in scores.items()]
    write_json(out / "grid.json", rows, InputError)
    if grid.seeds < 2:
        say("written", "bold green", f"{out / 'grid.json'}; a table with intervals needs two seeds")
        tell_written(out / "grid.json")
        return
    table = grid_table(grid, scores)
    write_whole(out / "grid.md", table + "\n", InputError)
    save_picture(grid_picture(grid, scores), out / "grid.png")
    new_console().print(table, markup=False, soft_wrap=True)
    say("written", "bold green", f"{out}: grid.md, grid.png, grid.json")

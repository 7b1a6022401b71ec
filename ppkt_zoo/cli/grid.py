"""``ppkt-zoo grid``: several starts, parts of the labels and seeds from one command, into one table and one plot."""

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ppkt_zoo.cli.downstream import CacheOption, OverridesArgument, RecipeArgument, WorkersOption
from ppkt_zoo.cli.options import STOPPED, DataOption, DeviceOption, names_and_paths, new_console, say, tell_written
from ppkt_zoo.errors import InputError

if TYPE_CHECKING:
    from ppkt_zoo.downstream.grid import Cell, Grid


class Task(StrEnum):
    """What is learned."""

    segmentation = "segmentation"
    detection = "detection"


class Scored(StrEnum):
    """To report by, and to choose by."""

    test = "test"
    validation = "validation"


def grid(
    task: Annotated[Task, typer.Argument(help="What is learned.")],
    recipe: RecipeArgument,
    overrides: OverridesArgument = None,
    init: Annotated[
        list[str] | None,
        typer.Option(
            "--init", "-i", metavar="NAME=WEIGHT", help="A start, e.g. scratch=random; the first is the base."
        ),
    ] = None,
    own: Annotated[
        list[str] | None,
        typer.Option(
            "--only-for",
            metavar="NAME:KEY=VALUE",
            help="An override of one start's runs alone, e.g. scratch:optimiser.lr=0.006.",
        ),
    ] = None,
    fraction: Annotated[
        list[float] | None, typer.Option("--fraction", "-f", help="Of the labelled scenes; may be repeated.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many: 0, 1, …", min=1)] = 5,
    on: Annotated[Scored, typer.Option(help="The scenes that are scored.")] = Scored.test,
    data: DataOption = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Of the whole grid.")] = Path("runs") / "grid",
    cache: CacheOption = None,
    workers: WorkersOption = 0,
    device: DeviceOption = "cpu",
) -> None:
    """Compare starts at parts of the labels: every run that has no scores yet, then grid.md, grid.png and grid.json.

    The same command goes on where it stopped. Several processes or machines share the runs by `accelerate launch -m
    ppkt_zoo grid …` with --out on a disk that all of them see.
    """
    from accelerate import PartialState

    from ppkt_zoo.cli.run.grid_report import check_libraries
    from ppkt_zoo.downstream.grid import Grid, run_grid
    from ppkt_zoo.engine.interrupt import Stopped
    from ppkt_zoo.files.cache import default_cache

    starts, fractions = _starts(init or []), tuple(fraction or (1.0,))
    asked = Grid(task.value, recipe, tuple(overrides or ()), starts, fractions, seeds, _own(own or []))
    if seeds > 1:
        check_libraries()
    state = PartialState(cpu=device == "cpu")

    def report(cell: "Cell", done: int, total: int) -> None:
        say(f"{done + 1} of {total}", "bold cyan", f"{cell.start}, {cell.fraction:.0%} of the labels, seed {cell.seed}")

    try:
        run_grid(
            asked,
            out,
            folders=names_and_paths(data),
            cache=default_cache() if cache is None else cache,
            rank=state.process_index,
            ranks=state.num_processes,
            workers=workers,
            device=device,
            on=on.value,
            report=report,
        )
    except Stopped as stopped:
        say("stopped", "bold yellow", stopped)
        raise typer.Exit(STOPPED) from None
    state.wait_for_everyone()
    if state.is_main_process:
        _write(asked, out, on.value)


def _starts(entries: list[str]) -> dict[str, str]:
    starts: dict[str, str] = {}
    for entry in entries:
        name, equals, weight = entry.partition("=")
        if not equals or not name or not weight or name in starts:
            raise InputError(f"--init {entry!r} must be NAME=WEIGHT, each name once, e.g. --init scratch=random")
        starts[name] = weight
    if not starts:
        raise InputError("a grid compares starts: give --init NAME=WEIGHT, e.g. --init scratch=random")
    return starts


def _own(entries: list[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for entry in entries:
        name, colon, override = entry.partition(":")
        if not colon or not name or "=" not in override:
            raise InputError(f"--only-for {entry!r} must be NAME:KEY=VALUE, e.g. scratch:optimiser.lr=0.006")
        found[name] = (*found.get(name, ()), override)
    return found


def _write(grid: "Grid", out: Path, on: Literal["test", "validation"]) -> None:
    from ppkt_zoo.cli.run.grid_report import grid_picture, grid_table
    from ppkt_zoo.downstream.grid import read_grid
    from ppkt_zoo.files.writing import write_json, write_whole
    from ppkt_zoo.visualization.picture import save_picture

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

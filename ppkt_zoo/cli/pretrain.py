"""``ppkt-zoo pretrain``: from a recipe to a weight, or to what that would cost."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ppkt_zoo.cli.options import STOPPED, DataOption, names_and_paths, new_console, say, tell_written
from ppkt_zoo.errors import RecipeError

if TYPE_CHECKING:
    from ppkt_zoo.pretraining.probe import RoomWatch
    from ppkt_zoo.pretraining.recipe import Recipe


def pretrain(
    recipe: Annotated[str, typer.Argument(help="A YAML file, or the name of a recipe that ships with the package.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Such as optimiser.lr=0.1")] = None,
    data: DataOption = None,
    teacher: Annotated[
        Path | None,
        typer.Option("--teacher", "-t", help="The teacher's file: safetensors, or a checkpoint as published."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Checkpoints, metrics, weight; runs/WEIGHT by default.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Refuse to begin anew where --out holds no checkpoint.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Time five steps; tell sizes, memory, time and disk space; train nothing.")
    ] = False,
    cache: Annotated[Path | None, typer.Option(help="For rendered rooms and teacher features.")] = None,
    workers: Annotated[int, typer.Option(help="Processes that prepare data; the numbers stay the same.", min=0)] = 1,
    stop_after: Annotated[int | None, typer.Option(help="End with a checkpoint after so many steps.", min=1)] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write all figures for TensorBoard too, into OUT/tensorboard.")
    ] = False,
) -> None:
    """Teach a backbone from RGB-D frames and a 2D teacher, as a recipe says, into a weight folder.

    The same command goes on from the newest checkpoint in --out, to the same numbers.
    """
    from ppkt_zoo.engine.interrupt import Stopped
    from ppkt_zoo.files.cache import default_cache
    from ppkt_zoo.pretraining.recipe import load_recipe
    from ppkt_zoo.pretraining.trainer import pretrain as run

    loaded = load_recipe(recipe, overrides or [])
    target = Path("runs") / loaded.weight if out is None else out
    if resume and not any((target / "checkpoints").glob("step-*.safetensors")):
        raise RecipeError(
            f"{target} holds no checkpoint to go on from: give the --out of the earlier run, or leave out --resume"
        )
    folders = names_and_paths(data)
    kept = default_cache() if cache is None else cache
    try:
        if dry_run:
            _tell_costs(loaded, folders, teacher, target, kept, workers)
            return
        folder = run(
            loaded,
            data=folders,
            teacher=teacher,
            out=target,
            cache=kept,
            workers=workers,
            stop_after=stop_after,
            tensorboard=tensorboard,
            watch=_watch(loaded, kept, target / "pictures"),
        )
    except Stopped as stopped:
        say("stopped", "bold yellow", stopped)
        raise typer.Exit(STOPPED) from None
    if _one_tells():
        say("written", "bold green", f"{folder}, the weight, with its card and golden output")
        say("next", "bold green", f"ppkt-zoo demo --weight local-dir:{folder}")
        # The name by which every other command takes it.
        tell_written(f"local-dir:{folder}")


def _watch(recipe: "Recipe", cache: Path, pictures: Path) -> "RoomWatch | None":
    if recipe.watch is None:
        return None
    from ppkt_zoo.pretraining.probe import RoomWatch

    return RoomWatch(recipe.watch.seed, recipe.watch.rooms, recipe.levels, cache, pictures)


def _tell_costs(
    recipe: "Recipe", data: dict[str, Path], teacher: Path | None, out: Path, cache: Path, workers: int
) -> None:
    from ppkt_zoo.cli.run.dry_run_table import dry_run_table
    from ppkt_zoo.pretraining.dry_run import dry_run

    found = dry_run(recipe, data=data, teacher=teacher, out=out, cache=cache, workers=workers)
    if not _one_tells():
        return
    new_console().print(dry_run_table(found))
    for line in found.warnings:
        say("warning", "bold yellow", line)


def _one_tells() -> bool:
    """Of several processes that learn together one speaks."""
    return int(os.environ.get("RANK", "0")) == 0

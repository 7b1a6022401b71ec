"""From a recipe to a weight or a 2D teacher, or to what that would cost."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ppkt_zoo.cli.streams import new_console, say, tell_written
from ppkt_zoo.errors import InputError, RecipeError

if TYPE_CHECKING:
    from ppkt_zoo.cli.train import Run
    from ppkt_zoo.pretraining.recipe import Recipe


def pretrain_weight(
    run: "Run",
    teacher: list[str] | None,
    out: Path | None,
    resume: bool,
    dry_run: bool,
    workers: int,
    tensorboard: bool,
    start: str | None = None,
) -> None:
    """Run :func:`ppkt_zoo.pretraining.trainer.pretrain` as a recipe says, or tell its cost.

    Raises:
        RecipeError: of ``resume``, where ``out`` holds no checkpoint.
        Stopped: the run was stopped with a checkpoint.
    """
    from ppkt_zoo.pretraining.recipe import load_recipe
    from ppkt_zoo.pretraining.trainer import pretrain

    recipe = run.load(load_recipe)
    target = Path("runs") / recipe.weight if out is None else out
    if resume and not any((target / "checkpoints").glob("step-*.safetensors")):
        raise RecipeError(
            f"{target} holds no checkpoint to resume from: give the --out of the earlier run, or leave out --resume"
        )
    first, further = _teacher_files(teacher or [])
    begin = Path(start).expanduser() if start is not None and Path(start).expanduser().is_dir() else start
    common: dict[str, Any] = {
        "data": run.folders,
        "teacher": first,
        "teachers": further,
        "out": target,
        "cache": run.kept,
        "start": begin,
    }
    if dry_run:
        _tell_costs(recipe, common, workers)
        return
    watch = _watch(recipe, run.kept, target / "pictures")
    options: dict[str, Any] = {"workers": workers, "stop_after": run.stop_after, "tensorboard": tensorboard}
    folder = pretrain(recipe, **common, watch=watch, **options)
    if _one_tells():
        say("written", "bold green", f"{folder}, the weight, with its card and reference outputs")
        say("next", "bold green", f"ppkt-zoo demo --weight local-dir:{folder}")
        # The name by which every other command takes it.
        tell_written(f"local-dir:{folder}")


def teach(run: "Run", out: Path | None) -> None:
    """Run :func:`ppkt_zoo.teachers.training.train_teacher` as a recipe says.

    Raises:
        Stopped: the run was stopped with a checkpoint.
    """
    from ppkt_zoo.teachers.training import load_teacher_recipe, train_teacher

    recipe = run.load(load_teacher_recipe)
    target = Path("runs") / "teachers" / recipe.teacher if out is None else out
    options: dict[str, Any] = {"cache": run.cache, "workers": run.workers, "device": run.device}
    done = train_teacher(recipe, data=run.folders, out=target, stop_after=run.stop_after, **options)
    figures = "".join(f", {name} {figure:g}" for name, figure in done.metrics.items())
    say("written", "bold green", f"{done.file}{figures}")
    say("recipe", "bold green", f"architecture: {recipe.architecture}, weights: file, sha256: {done.sha256}")
    tell_written(done.file)


def _teacher_files(given: list[str]) -> tuple[Path | None, dict[str, Path]]:
    """The first teacher's file, and those of further ones by name; a file whose own name has an = is the first's."""
    first: Path | None = None
    further: dict[str, Path] = {}
    for one in given:
        name, equals, file = one.partition("=")
        if equals and name.isidentifier() and not Path(one).expanduser().exists():
            if name in further:
                raise InputError(f"--teacher {name}=… is given twice")
            further[name] = Path(file).expanduser()
        elif first is not None:
            raise InputError(f"--teacher is given twice without a name, {first} and {one}: write NAME=FILE for one")
        else:
            first = Path(one).expanduser()
    return first, further


def _watch(recipe: "Recipe", cache: Path, pictures: Path) -> Any:
    if recipe.watch is None:
        return None
    from ppkt_zoo.pretraining.probe import OnlineProbe

    return OnlineProbe(recipe.watch.seed, recipe.watch.rooms, recipe.levels, cache, pictures)


def _tell_costs(recipe: "Recipe", common: dict[str, Any], workers: int) -> None:
    from ppkt_zoo.cli.run.run_tables import dry_run_table
    from ppkt_zoo.pretraining.dry_run import dry_run

    found = dry_run(recipe, **common, workers=workers)
    if not _one_tells():
        return
    new_console().print(dry_run_table(found))
    for line in found.warnings:
        say("warning", "bold yellow", line)


def _one_tells() -> bool:
    """Of several processes that learn together one speaks."""
    return int(os.environ.get("RANK", "0")) == 0

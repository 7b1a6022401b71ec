"""From a recipe to a weight or a 2D teacher, or to what that would cost."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ppkt_zoo.cli.answers.train import Cost, DiskOfRun, OnceOfRun, Pretrained, SourceOfRun, StepOfRun, TeacherMade
from ppkt_zoo.cli.streams import alert, say
from ppkt_zoo.errors import InputError, RecipeError

if TYPE_CHECKING:
    from ppkt_zoo.cli.train import Run
    from ppkt_zoo.pretraining.cost import DryRun, OnceWork, StepCost
    from ppkt_zoo.pretraining.recipe import Recipe

# Figures that an answer calls as the dry run does.
_SAME_COSTS = (
    *("device", "processes", "workers", "cores", "student_parameters", "head_parameters", "teacher_parameters"),
    *("step_seconds", "data_seconds", "seconds", "checkpoint_bytes", "weight_bytes"),
)
_SAME_OF_STEP = ("frames", "points", "voxels", "pixel_pairs", "view_pairs")


def pretrain_weight(
    run: "Run",
    teacher: list[str] | None,
    out: Path | None,
    resume: bool,
    dry_run: bool,
    workers: int,
    tensorboard: bool,
    start: str | None = None,
) -> Pretrained | None:
    """Run :func:`ppkt_zoo.pretraining.trainer.pretrain` as a recipe says, or tell its cost.

    Returns:
        What there is now, or what it would cost; None in all but one of several processes that learn together.

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
        return _costs(recipe, common, workers)
    watch = _watch(recipe, run.kept, target / "pictures")
    options: dict[str, Any] = {"workers": workers, "stop_after": run.stop_after, "tensorboard": tensorboard}
    folder = pretrain(recipe, **common, watch=watch, **options)
    if not _one_tells():
        return None
    # The name by which every other command takes it.
    load = f"local-dir:{folder}"
    say("written", "bold green", f"{folder}, the weight, with its card and reference outputs")
    say("next", "bold green", f"ppkt-zoo demo --weight {load}")
    return Pretrained(weight=recipe.weight, folder=folder, load=load, cost=None)


def teach(run: "Run", out: Path | None) -> TeacherMade:
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
    return _teacher(done.file, recipe.architecture, done.sha256, done.metrics)


def import_teacher_file(source: Path, out: Path) -> TeacherMade:
    """Convert a published TFLite file, see :func:`ppkt_zoo.teachers.tflite.import_tflite`."""
    from ppkt_zoo.teachers.tflite import import_tflite

    done = import_tflite(source, out)
    say("written", "bold green", f"{done.file}: {done.layers} layers, dequantised")
    return _teacher(done.file, done.architecture, done.sha256, {})


def _teacher(file: Path, architecture: str, sha256: str, metrics: dict[str, float]) -> TeacherMade:
    say("recipe", "bold green", f"architecture: {architecture}, weights: file, sha256: {sha256}")
    return TeacherMade(architecture=architecture, sha256=sha256, metrics=metrics, files=(file,))


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


def _costs(recipe: "Recipe", common: dict[str, Any], workers: int) -> Pretrained | None:
    from ppkt_zoo.cli.run.run_tables import dry_run_table
    from ppkt_zoo.pretraining.dry_run import dry_run

    found = dry_run(recipe, **common, workers=workers)
    if not _one_tells():
        return None
    for line in found.warnings:
        alert("warning", "bold yellow", line)
    return Pretrained(weight=recipe.weight, folder=None, load=None, cost=_cost(found)).told(dry_run_table(found))


def _cost(found: "DryRun") -> Cost:
    return Cost(
        method=found.recipe.method,
        steps=found.recipe.steps,
        sources=tuple(SourceOfRun(name=one.name, frames=one.frames, per_step=one.per_step) for one in found.sources),
        step=None if found.step is None else _step(found.step),
        rendering=_once(found.rendering),
        features=_once(found.first_look),
        disks=tuple(DiskOfRun(path=one.path, free_bytes=one.free, needed_bytes=one.bytes) for one in found.disks),
        remarks=found.warnings,
        **{name: getattr(found, name) for name in _SAME_COSTS},
    )


def _step(step: "StepCost") -> StepOfRun:
    return StepOfRun(
        prepare_seconds=step.prepare,
        teacher_seconds=step.teacher,
        student_seconds=step.student,
        memory_bytes=step.memory,
        **{name: getattr(step, name) for name in _SAME_OF_STEP},
    )


def _once(work: "OnceWork | None") -> OnceOfRun | None:
    if work is None:
        return None
    return OnceOfRun(frames=work.frames, done=work.done, seconds=work.seconds, bytes=work.bytes)


def _one_tells() -> bool:
    """Of several processes that learn together one speaks."""
    return int(os.environ.get("RANK", "0")) == 0

"""`dry_run`: the parts of a run are built and five of its steps are timed; what they teach is thrown away."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import torch
from torch import Tensor, nn

from ppkt_zoo.engine.denormals import flushed_denormals
from ppkt_zoo.engine.interrupt import StopRequest
from ppkt_zoo.engine.progress import TrainingProgress
from ppkt_zoo.engine.thread_policy import usable_cores
from ppkt_zoo.files.reading import default_cache
from ppkt_zoo.pretraining.cost import Disk, DryRun, OnceWork, SourceShare, StepCost
from ppkt_zoo.pretraining.recipe import Recipe
from ppkt_zoo.pretraining.setup import Setup
from ppkt_zoo.pretraining.step_timing import TimedSource, time_steps
from ppkt_zoo.teachers.cache import TeacherCache
from ppkt_zoo.teachers.teacher import Teacher
from ppkt_zoo.zoo.names import StrPath
from ppkt_zoo.zoo.tensors import to_storage


def dry_run(
    recipe: Recipe,
    *,
    data: Mapping[str, Path],
    teacher: Path | None,
    out: Path,
    cache: Path | None = None,
    workers: int = 1,
    start: StrPath | None = None,
    teachers: Mapping[str, Path] | None = None,
) -> DryRun:
    """Measure what :func:`ppkt_zoo.pretraining.trainer.pretrain` would cost with the same arguments.

    One step warms up, five are timed. The teacher looks at their images itself, whatever the recipe says, so that
    its cache is not touched; rooms' frames that they need and that are not rendered yet go into the cache.

    Args:
        recipe, data, teacher, cache, workers, start, teachers: as for ``pretrain``.
        out: where the run would write; asked for its free space only.

    Raises:
        RecipeError, TeacherError, FrameError: something the recipe asks for is missing or damaged.
        TrainingError: not one frame of the timed steps can be used.
        Stopped: SIGTERM or Ctrl-C.
    """
    cache = default_cache() if cache is None else cache
    with flushed_denormals(), StopRequest() as stop, TrainingProgress() as progress:
        setup = Setup(_online(recipe), data, teacher, cache, progress, stop, start, teachers)
        sources = [TimedSource(source) for source in setup.data.sources]
        setup.data.sources[:] = sources
        step = time_steps(setup, sources) if recipe.steps else None
    return _gather(recipe, setup, sources, step, cache, out, workers)


def _online(recipe: Recipe) -> Recipe:
    if recipe.teacher is None:
        return recipe
    online = {"features": "online"}
    further = {name: one.model_copy(update=online) for name, one in recipe.teachers.items()}
    return recipe.model_copy(update={"teacher": recipe.teacher.model_copy(update=online), "teachers": further})


def _gather(
    recipe: Recipe,
    setup: Setup,
    sources: Sequence[TimedSource],
    step: StepCost | None,
    cache: Path,
    out: Path,
    workers: int,
) -> DryRun:
    model = setup.plain_model
    cached = recipe.teacher is not None and recipe.teacher.features == "cached" and step is not None
    # Who fills the teacher's cache renders on the way, alone; else the workers render.
    rendering = _rendering(sources, 1 if cached else max(workers, 1)) if step is not None else None
    first_look = _first_look(setup, sources, step, cache) if cached and step is not None else None
    checkpoint = _checkpoint_bytes(setup) if recipe.steps else 0
    found = DryRun(
        recipe=recipe,
        device=str(setup.accelerator.device),
        processes=setup.accelerator.num_processes,
        workers=workers,
        cores=_cores(),
        threads=min(torch.get_num_threads(), _cores()) if setup.accelerator.device.type == "cpu" else 1,
        student_parameters=_parameters(model.student),
        head_parameters=_parameters(model.objectives),
        teacher_parameters=None if setup.teacher is None else sum(map(_parameters, _teachers(setup))),
        sources=tuple(
            SourceShare(source.name, len(source), entry.per_step)
            for source, entry in zip(sources, recipe.data, strict=True)
        ),
        step=step,
        rendering=rendering,
        first_look=first_look,
        checkpoint_bytes=checkpoint,
        weight_bytes=_bytes(to_storage(model.student.state_dict(), "float16"))
        + _bytes(to_storage(model.projection(), "float16")),
        disks=(),
    )
    kept = sum(work.bytes for work in (rendering, first_look) if work is not None)
    return replace(found, disks=_disks({cache: kept, out: found.run_bytes}))


def _rendering(sources: Sequence[TimedSource], renderers: int) -> OnceWork | None:
    rooms = [(len(source), rest) for source in sources if (rest := source.rendering()) is not None]
    if not rooms:
        return None
    frames = sum(length for length, _ in rooms)
    left = sum(missing for _, (missing, _, _) in rooms)
    seconds = sum(missing * each for _, (missing, each, _) in rooms) / renderers
    return OnceWork(frames, frames - left, seconds, sum(missing * size for _, (missing, _, size) in rooms))


def _first_look(setup: Setup, sources: Sequence[TimedSource], step: StepCost, cache: Path) -> OnceWork:
    teachers = _teachers(setup)
    done, seconds, size = 0, 0.0, 0
    for source, teacher in product(sources, teachers):
        seen = TeacherCache(cache / "teacher", teacher, source.source).done
        done += seen
        if seen < len(source):
            height, width = teacher.feature_size(source[0].color.shape[:2])
            size += (len(source) - seen) * 2 * teacher.channels * height * width
            # All teachers were timed together.
            look = step.teacher / step.frames / len(teachers)
            seconds += (len(source) - seen) * (look + source.read.mean)
    return OnceWork(len(teachers) * sum(map(len, sources)), done, seconds, size)


def _teachers(setup: Setup) -> list[Teacher]:
    return [*([] if setup.teacher is None else [setup.teacher]), *setup.further.values()]


def _checkpoint_bytes(setup: Setup) -> int:
    states = setup.optimizer.state_dict()["state"].values()
    moments = sum(_bytes({name: value for name, value in one.items() if isinstance(value, Tensor)}) for one in states)
    average = 0 if setup.average is None else _bytes(setup.average.module.state_dict())
    return _bytes(setup.plain_model.state_dict()) + moments + average


def _bytes(tensors: Mapping[str, Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _cores() -> int:
    """Cores of the CPU for each of the processes that a launcher started on this machine."""
    return max(1, usable_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def _disks(needed: Mapping[Path, int]) -> tuple[Disk, ...]:
    """What is needed on each disk; folders of one disk share its free space."""
    disks: dict[int, Disk] = {}
    for path, size in needed.items():
        there = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
        number = there.stat().st_dev
        known = disks.get(number, Disk(path, shutil.disk_usage(there).free, 0))
        disks[number] = replace(known, bytes=known.bytes + size)
    return tuple(disks.values())
